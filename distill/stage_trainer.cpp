#include "distill/stage_trainer.hpp"

#include <algorithm>
#include <cmath>

#include "core/container.hpp"
#include "core/progress.hpp"
#include "core/trace.hpp"
#include "data/loader.hpp"
#include "data/mixup.hpp"
#include "distill/evaluate.hpp"
#include "nn/conv/winograd/winograd.hpp"
#include "nn/gradient_reducer.hpp"
#include "nn/sgd.hpp"

namespace intandem {
namespace {

float root_mean_square(const TensorF& t) {
  double sum = 0.0;
  for (const float v : t) sum += static_cast<double>(v) * static_cast<double>(v);
  return static_cast<float>(
      std::sqrt(sum / static_cast<double>(std::max<std::int64_t>(1, t.size()))));
}

// Adam moves every element by about lr·rate, so the rate is the magnitude in which the parameter is
// measured: the spread of the weights, the scales themselves, the spread of z for the bias.
void append_rates(StudentUnit& unit, bool with_alpha, std::vector<float>& rates) {
  for (const Parameter* p : unit.parameters(with_alpha)) {
    rates.push_back(p == &unit.bias ? unit.z_scale : root_mean_square(p->value));
  }
}

}  // namespace

StageTrainer::StageTrainer(Hybrid& hybrid, const DistillOptions& options, const Dataset& train,
                           const Dataset& held_out, Communicator& shards)
    : hybrid_(hybrid),
      options_(options),
      weights_(options.loss_weights()),
      train_(train),
      held_out_(held_out),
      shards_(shards),
      normalization_(hybrid.student().normalization()) {
  check_shards(std::min(options.batch, train.size()), shards.size());
  if (std::min(options.batch, train.size()) < 2) {
    throw Error("--batch", "the losses compare images of a batch, and one image is no batch",
                "use batches of 2 or more, and as many training images", ExitCode::usage);
  }
}

std::int64_t StageTrainer::batches_per_epoch() const {
  return std::max<std::int64_t>(1, train_.size() / options_.batch);
}

int StageTrainer::first_unit(int stage) const {
  if (is_joint(stage) || options_.window == 0) return 0;
  return std::max(0, stage - options_.window + 1);
}

int StageTrainer::last_unit(int stage) const {
  return is_joint(stage) ? hybrid_.student().unit_count() - 1 : stage;
}

void StageTrainer::begin(int stage) {
  const bool with_alpha = trains_alpha(stage);
  parameters_.clear();
  rates_.clear();
  for (int k = first_unit(stage); k <= last_unit(stage); ++k) {
    StudentUnit& unit = hybrid_.student().unit(k);
    const auto list = unit.parameters(with_alpha);
    parameters_.insert(parameters_.end(), list.begin(), list.end());
    append_rates(unit, with_alpha, rates_);
  }
  hybrid_.freeze(first_unit(stage));
  adam_ = std::make_unique<Adam>(parameters_);
  sums_ = {};
  summed_steps_ = 0;
}

int StageTrainer::first_target(int stage) const {
  return weights_.inner > 0.0f ? first_unit(stage) : last_unit(stage);
}

LossMeans StageTrainer::step(const TensorU8& images, const std::vector<std::int32_t>& labels,
                             int stage) {
  const UseWinograd winograd(true);  // in the teacher and in all gradients
  const int first = first_unit(stage), k = last_unit(stage);
  const bool joint = is_joint(stage);
  const bool with_logits = joint || weights_.lambda > 0.0f;
  const TeacherPass teacher = hybrid_.teacher_pass(images, first_target(stage), k, with_logits);
  Tape tape;
  const SimulationMode mode{true, trains_alpha(stage), first_target(stage)};
  const HybridPass hybrid =
      hybrid_.run(tape, images, first, k, mode, options_.stage_input, with_logits);
  LossMeans means;
  const std::int64_t batch = std::min(options_.batch, train_.size());
  const BatchPart part{&shards_, static_cast<float>(static_cast<double>(images.dim(0)) /
                                                    static_cast<double>(batch))};
  const auto value = [](const Var& v) { return v ? static_cast<double>(v->value[0]) : 0.0; };
  const auto mean = [&](const Var& v) { return static_cast<double>(part.share) * value(v); };
  Var total;
  if (joint) {
    const JointLoss loss =
        joint_loss(tape, hybrid_.student(), hybrid, teacher, labels, weights_, part);
    total = loss.total;
    means = {value(total), 0.0, mean(loss.kd), mean(loss.ce), value(loss.inner), 0.0};
  } else {
    const StageLoss loss =
        stage_loss(tape, hybrid_.student(), first, k, hybrid, teacher, weights_, part);
    total = loss.total;
    means = {value(total), value(loss.local), mean(loss.kd), 0.0, value(loss.inner), 0.0};
  }
  // Without the hybrid term nothing of an average-pool unit is in the loss: nothing to train.
  if (total->needs_grad) {
    adam_->zero_grad();
    GradientReducer reducer(shards_, parameters_);
    {
      const TraceSpan span("backward", shards_.index());
      tape.backward(total, [&](Parameter& p) { reducer.ready(p); });
    }
    const TraceSpan span("wait", shards_.index());
    reducer.finish();
    adam_->step(static_cast<float>(lr_), rates_);
  }
  double sums[] = {means.total, means.local, means.kd, means.ce, means.inner};
  shards_.all_reduce_sum(sums);
  return {sums[0], sums[1], sums[2], sums[3], sums[4], 0.0};
}

std::int64_t StageTrainer::train(const Action& action, std::int64_t max_steps,
                                 const std::function<bool()>& pause) {
  LearningRate rate;
  rate.peak = is_joint(action.stage) ? options_.joint_lr : options_.lr;
  rate.total_steps = max_steps;
  const bool joint = is_joint(action.stage);
  Progress progress(joint ? "joint"
                          : "stage " + std::to_string(action.stage + 1) + "/" +
                                std::to_string(hybrid_.student().unit_count()),
                    max_steps);
  Loader::Options loading;
  loading.batch = std::min(options_.batch, train_.size());
  loading.augment = options_.augment;
  const ShardRows rows = shard_rows(loading.batch, shards_.index(), shards_.size());
  loading.slice_first = rows.first;
  loading.slice_count = rows.count;
  loading.seed = Rng(options_.seed)
                     .stream("distill")
                     .stream(static_cast<std::uint64_t>(action.stage))
                     .block(0)[0];
  const Rng mixing = Rng(loading.seed).stream("mix");
  std::int64_t step_index = action.first_step;
  while (step_index < action.last_step) {
    loading.first_batch = step_index % batches_per_epoch();
    Loader loader(train_, normalization_, loading, step_index / batches_per_epoch());
    Batch batch;
    while (step_index < action.last_step && loader.next(batch)) {
      lr_ = rate.at(step_index);
      mix_images(batch.images, options_.mixup,
                 mixing.stream(static_cast<std::uint64_t>(step_index)), batch.first);
      const LossMeans losses = step(batch.images, batch.labels, action.stage);
      sums_ += losses;
      ++summed_steps_;
      ++step_index;
      progress.update(step_index, "loss " + std::to_string(losses.total));
      if (pause()) return step_index;
    }
  }
  return step_index;
}

LossMeans StageTrainer::evaluate(int stage) {
  const UseWinograd winograd(true);
  const int first = first_unit(stage), k = last_unit(stage);
  LossSums sums(hybrid_.student(), first, k, is_joint(stage), weights_);
  const std::int64_t images = held_out_.size(), batch = options_.batch;
  const auto of_batches = deal(shards_, (images + batch - 1) / batch, [&](std::int64_t i) {
    const std::int64_t begin = i * batch, N = std::min(batch, images - begin);
    const TensorU8 pixels = image_range(held_out_, begin, N);
    const TeacherPass teacher = hybrid_.teacher_pass(pixels, first_target(stage), k, true);
    Tape tape;
    const SimulationMode mode{false, false, first_target(stage)};
    const HybridPass hybrid = hybrid_.run(tape, pixels, first, k, mode, StageInput::student, true);
    const auto label = held_out_.labels.begin() + begin;
    LossSums one(hybrid_.student(), first, k, is_joint(stage), weights_);
    one.add(hybrid, teacher,
            weights_.ce > 0.0f ? std::vector<std::int32_t>(label, label + N)
                               : predicted_classes(teacher.logits));
    return one.values();
  });
  for (const std::vector<double>& values : of_batches) sums.add(values);
  return sums.means();
}

LossMeans StageTrainer::take_training_losses() {
  const LossMeans means = sums_ / static_cast<double>(std::max<std::int64_t>(1, summed_steps_));
  sums_ = {};
  summed_steps_ = 0;
  return means;
}

void StageTrainer::store(Container& file) const {
  if (!adam_) return;
  adam_->store(file, "adam");
  TensorF rates({static_cast<std::int64_t>(rates_.size())});
  std::copy(rates_.begin(), rates_.end(), rates.begin());
  file.put("adam/rates", rates);
  Tensor<double> sums({7});
  const double values[] = {sums_.total, sums_.local, sums_.kd,
                           sums_.ce,    sums_.inner, static_cast<double>(summed_steps_),
                           lr_};
  std::copy(std::begin(values), std::end(values), sums.begin());
  file.put("trainer/sums", sums);
}

void StageTrainer::load(const Container& file) {
  adam_->load(file, "adam");
  const auto rates = file.tensor<float>("adam/rates", {static_cast<std::int64_t>(rates_.size())});
  std::copy(rates.begin(), rates.end(), rates_.begin());
  const auto sums = file.tensor<double>("trainer/sums", {7});
  sums_ = {sums[0], sums[1], sums[2], sums[3], sums[4], 0.0};
  summed_steps_ = static_cast<std::int64_t>(sums[5]);
  lr_ = sums[6];
}

}  // namespace intandem
