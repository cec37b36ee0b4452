#include "distill/teacher.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/container.hpp"
#include "core/error.hpp"
#include "core/profile.hpp"
#include "core/progress.hpp"
#include "core/trace.hpp"
#include "distill/evaluate.hpp"
#include "nn/conv/winograd/winograd.hpp"
#include "nn/gradient_reducer.hpp"
#include "nn/ops.hpp"
#include "nn/tape.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kEvaluationBatch = 256;

std::int64_t steps_in(const Dataset& train, std::int64_t batch) {
  if (train.size() < batch) {
    throw Error("training images",
                "only " + std::to_string(train.size()) + " for batches of " + std::to_string(batch),
                "lower --batch or --held-out, or raise --limit", ExitCode::usage);
  }
  return train.size() / batch;
}

/// Batch norm of a linear layer over one image gives 0 whatever the image: nothing can be learned.
void check_statistics(const NetworkSpec& spec, std::int64_t batch) {
  if (batch > 1) return;
  const std::vector<UnitGeometry> geometry = infer_geometry(spec);
  for (std::size_t k = 0; k < spec.units.size(); ++k) {
    const Shape& product = geometry[k].product;
    if (!spec.units[k].batch_norm || product.size() > product[product.rank() - 1]) continue;
    throw Error("--batch",
                "the batch norm of unit " + spec.units[k].name +
                    " would see one value per channel, and its variance is nothing",
                "use batches of 2 or more, in every shard unless --batch-norm sync",
                ExitCode::usage);
  }
}

/// The network that training starts or goes on with.
FloatNetwork first_network(const NetworkSpec& spec, const TeacherOptions& options,
                           const Container* resume, const Container* init) {
  if (resume != nullptr) return load_teacher_network(*resume);
  FloatNetwork net(spec, Rng(options.seed).stream("teacher"));
  if (init != nullptr) {
    net = load_network(*init);
    if (net.spec() != spec) {
      throw Error(init->path(), "it is another network (" + net.spec().name + ") than is trained",
                  "give the network, width and data it was trained with", ExitCode::usage);
    }
  }
  if (options.quantizers) {
    auto quantized = std::make_unique<QuantizedNetwork>(spec, *options.quantizers);
    quantized->fit_weights(net);
    net.set_hook(std::move(quantized));
  }
  return net;
}

LearningRate make_rate(const TeacherOptions& options, std::int64_t steps_per_epoch) {
  LearningRate rate;
  rate.kind = options.schedule;
  rate.peak = options.lr;
  rate.total_steps = options.epochs * steps_per_epoch;
  rate.warmup_steps = std::llround(options.warmup_epochs * static_cast<double>(steps_per_epoch));
  rate.step_every = std::max<std::int64_t>(1, rate.total_steps / 3);
  return rate;
}

TensorF normalized(const TensorU8& images, const Normalization& norm) {
  const ProfileUnit unit("data");
  const ProfileScope scope("normalize", 0, 5.0 * static_cast<double>(images.size()));
  return normalize(images, norm);
}

bool next_batch(Loader& loader, Batch& batch) {
  const ProfileUnit unit("data");
  const ProfileScope scope("wait", 0, 0);
  return loader.next(batch);
}

}  // namespace

TeacherTrainer::TeacherTrainer(const NetworkSpec& spec, const Split& data,
                               const Normalization& norm, const TeacherOptions& options,
                               const Container* resume, const Container* init, Communicator& shards)
    : data_(data),
      norm_(norm),
      options_(options),
      shards_(shards),
      steps_per_epoch_(steps_in(data.train, options.batch)),
      net_(first_network(spec, options, resume, init)),
      sgd_(net_.parameters(), options.sgd),
      rate_(make_rate(options, steps_per_epoch_)) {
  check_shards(options.batch, shards.size());
  // The smallest shard is the one that rounding down gives.
  check_statistics(spec,
                   options.synchronized_batch_norm ? options.batch : options.batch / shards.size());
  net_.set_shards(shards, options.synchronized_batch_norm);
  if (resume == nullptr) return;
  sgd_.load(*resume, "sgd");
  step_ = resume->get_int("step");
  train_correct_ = resume->get_int("train_correct");
  loss_sum_ = resume->tensor<double>("loss_sum", Shape{1})[0];
}

void TeacherTrainer::store(Container& file) const {
  store_teacher_network(net_, file);
  sgd_.store(file, "sgd");
  file.set("step", std::to_string(step_));
  file.set("train_correct", std::to_string(train_correct_));
  file.put("loss_sum", Tensor<double>::full(Shape{1}, loss_sum_));
}

double TeacherTrainer::train_step(const Batch& batch) {
  const UseWinograd winograd(options_.winograd);
  FloatNetwork::Mode mode;
  const ShardRows rows = shard_rows(options_.batch, shards_.index(), shards_.size());
  mode.training = mode.train_parameters = true;
  mode.first_image = rows.first;
  mode.rng = Rng(options_.seed).stream("dropout").stream(static_cast<std::uint64_t>(step_));
  Tape tape;
  std::vector<Var> values;
  const Var x = tape.constant(normalized(batch.images, norm_));
  Var logits;
  {
    const TraceSpan span("forward", shards_.index());
    logits = net_.forward(tape, 0, net_.unit_count(), x, values, mode);
  }
  values.clear();  // the backward pass frees what it has used
  Var loss = cross_entropy(tape, logits, batch.labels, options_.label_smoothing);
  // A mean over this shard's images, of which the batch's mean is made.
  if (shards_.size() > 1) {
    const auto share = static_cast<double>(rows.count) / static_cast<double>(options_.batch);
    loss = weighted_sum(tape, {loss}, {static_cast<float>(share)});
  }
  GradientReducer reducer(shards_, net_.parameters());
  {
    const TraceSpan span("backward", shards_.index());
    tape.backward(loss, [&](Parameter& p) { reducer.ready(p); });
  }
  reduce(reducer);
  double sums[] = {loss->value[0], static_cast<double>(count_correct(logits->value, batch.labels))};
  shards_.all_reduce_sum(sums);
  const double loss_value = sums[0];
  if (!std::isfinite(loss_value)) {
    throw Error("teacher training", "the loss is not finite after step " + std::to_string(step_),
                "lower --lr or set --clip-norm");
  }
  train_correct_ += std::llround(sums[1]);
  sgd_.step_and_zero_grad(static_cast<float>(rate_.at(step_)));
  ++step_;
  loss_sum_ += loss_value;
  return loss_value;
}

void TeacherTrainer::reduce(GradientReducer& reducer) {
  if (shards_.size() == 1) return;
  const ProfileUnit unit("update");
  const ProfileScope scope("wait for other shards", 0, 0);
  std::vector<std::span<float>> statistics;
  if (!options_.synchronized_batch_norm) {
    for (int k = 0; k < net_.unit_count(); ++k) {
      BatchNormState& bn = net_.unit(k).bn;
      for (TensorF* t : {&bn.running_mean, &bn.running_var}) {
        if (!t->empty()) statistics.emplace_back(t->data(), static_cast<std::size_t>(t->size()));
      }
    }
  }
  const TraceSpan span("wait", shards_.index());
  reducer.finish(statistics);
  const float share = 1.0f / static_cast<float>(shards_.size());
  for (const std::span<float>& values : statistics) {
    for (float& value : values) value *= share;
  }
}

TeacherEpoch TeacherTrainer::end_epoch() {
  const UseProfiler none(nullptr);  // the profile is about training
  TeacherEpoch result;
  result.epoch = step_ / steps_per_epoch_;
  result.step = step_;
  result.loss = loss_sum_ / static_cast<double>(steps_per_epoch_);
  result.lr = rate_.at(step_ - 1);
  result.train_correct = train_correct_;
  result.train_images = steps_per_epoch_ * options_.batch;
  result.held_out_correct =
      evaluate_float(net_, norm_, data_.held_out, kEvaluationBatch, {}, shards_).correct;
  result.held_out_images = data_.held_out.size();
  loss_sum_ = 0;
  train_correct_ = 0;
  return result;
}

bool TeacherTrainer::stops(const Events& events, bool mine) {
  if (!shards_.any(mine)) return false;
  if (events.on_stop) events.on_stop();
  return true;
}

bool TeacherTrainer::run(const Events& events) {
  Loader::Options loading;
  loading.batch = options_.batch;
  loading.augment = options_.augment;
  loading.seed = options_.seed;
  const ShardRows rows = shard_rows(options_.batch, shards_.index(), shards_.size());
  loading.slice_first = rows.first;
  loading.slice_count = rows.count;
  while (step_ < total_steps()) {
    loading.first_batch = step_ % steps_per_epoch_;  // a resumed run starts inside an epoch
    Loader loader(data_.train, norm_, loading, step_ / steps_per_epoch_);
    Batch batch;
    const Stopwatch epoch_watch;
    while (next_batch(loader, batch)) {
      const Stopwatch step_watch;
      const double loss = train_step(batch);
      if (Profiler* const profiler = active_profiler()) {
        ++profiler->steps;
        profiler->step_seconds += step_watch.seconds();
      }
      // An epoch's last step is followed by its evaluation, so that no stop can separate the two.
      if (step_ % steps_per_epoch_ == 0) break;
      if (stops(events, events.on_step(step_, loss))) return false;
    }
    if (Profiler* const profiler = active_profiler()) {
      profiler->epoch_seconds += epoch_watch.seconds();
    }
    if (stops(events, events.on_epoch(end_epoch()))) return false;
  }
  return true;
}

void save_teacher(const FloatNetwork& net, const ModelInfo& info, const std::string& path) {
  Container file("teacher");
  store_teacher_network(net, file);
  store_info(info, file);
  file.save(path);
}

Teacher load_teacher(const std::string& path) {
  const Container file = Container::load(path, "teacher");
  Teacher teacher{load_teacher_network(file), load_info(file)};
  if (static_cast<std::int64_t>(teacher.info.class_names.size()) != teacher.net.spec().classes ||
      static_cast<std::int64_t>(teacher.info.norm.std_dev.size()) != teacher.net.spec().channels) {
    throw Error(path, "class names or normalization do not fit the network", "train it again");
  }
  return teacher;
}

}  // namespace intandem
