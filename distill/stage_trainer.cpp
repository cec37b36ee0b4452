#include "distill/stage_trainer.hpp"

#include <algorithm>
#include <cmath>

#include "core/container.hpp"
#include "core/progress.hpp"
#include "data/loader.hpp"
#include "distill/evaluate.hpp"
#include "distill/loss.hpp"
#include "nn/conv2d_winograd.hpp"
#include "nn/ops.hpp"
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
                           const Dataset& held_out)
    : hybrid_(hybrid),
      options_(options),
      train_(train),
      held_out_(held_out),
      normalization_(hybrid.student().normalization()) {}

std::int64_t StageTrainer::batches_per_epoch() const {
  return std::max<std::int64_t>(1, train_.size() / options_.batch);
}

void StageTrainer::begin(int stage) {
  Student& student = hybrid_.student();
  const bool joint = is_joint(stage);
  std::vector<Parameter*> parameters;
  rates_.clear();
  for (int k = joint ? 0 : stage; k <= (joint ? student.unit_count() - 1 : stage); ++k) {
    const auto list = student.unit(k).parameters(!joint);
    parameters.insert(parameters.end(), list.begin(), list.end());
    append_rates(student.unit(k), !joint, rates_);
  }
  adam_ = std::make_unique<Adam>(std::move(parameters));
  sums_ = {};
  summed_steps_ = 0;
}

StageLosses StageTrainer::step(const TensorU8& images, const std::vector<std::int32_t>& labels,
                               int stage, bool train, std::int64_t* correct) {
  const UseWinograd winograd(true);  // in the teacher and in all gradients
  Tape tape;
  StageLosses losses;
  std::vector<Var> terms;
  std::vector<float> weights;
  Var logits;
  const auto lambda = static_cast<float>(options_.lambda);
  const auto tau = static_cast<float>(options_.tau);
  if (is_joint(stage)) {  // D7: τ²·KL(teacher ‖ student) + w·CE(labels)
    const TensorF target = hybrid_.teacher_pass(images, hybrid_.student().unit_count() - 1).logits;
    logits = hybrid_.run_student(tape, images, train);
    terms = {kl_divergence(tape, logits, target, tau), cross_entropy(tape, logits, labels, 0.0f)};
    weights = {1.0f, static_cast<float>(options_.ce_weight)};
    losses.kd = static_cast<double>(terms[0]->value[0]);
    losses.local = static_cast<double>(terms[1]->value[0]);
  } else {  // D5: local loss + λ·τ²·KL(teacher ‖ hybrid)
    Student& student = hybrid_.student();
    const TeacherPass teacher = hybrid_.teacher_pass(images, stage);
    const bool with_logits = lambda > 0.0f || !train;
    const HybridPass pass =
        hybrid_.run(tape, images, stage, SimulationMode{train, train}, with_logits);
    logits = pass.logits;
    const float high = student.is_last(stage) ? 0.0f
                                              : student.unit(stage).out_step.value[0] *
                                                    static_cast<float>(student.max_code(stage));
    terms = {local_loss(tape, pass.z, teacher.z, 0.0f, high)};
    weights = {1.0f};
    losses.local = static_cast<double>(terms[0]->value[0]);
    if (with_logits) {
      terms.push_back(kl_divergence(tape, logits, teacher.logits, tau));
      weights.push_back(lambda);
      losses.kd = static_cast<double>(terms[1]->value[0]);
    }
  }
  const Var loss = weighted_sum(tape, terms, weights);
  losses.total = static_cast<double>(loss->value[0]);
  if (correct != nullptr) *correct = count_correct(logits->value, labels);
  // Without the hybrid term nothing of an average-pool unit is in the loss: nothing to train.
  if (train && loss->needs_grad) {
    adam_->zero_grad();
    tape.backward(loss);
    adam_->step(static_cast<float>(lr_), rates_);
  }
  return losses;
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
  loading.seed = Rng(options_.seed)
                     .stream("distill")
                     .stream(static_cast<std::uint64_t>(action.stage))
                     .block(0)[0];
  std::int64_t step_index = action.first_step;
  while (step_index < action.last_step) {
    loading.first_batch = step_index % batches_per_epoch();
    Loader loader(train_, normalization_, loading, step_index / batches_per_epoch());
    Batch batch;
    while (step_index < action.last_step && loader.next(batch)) {
      lr_ = rate.at(step_index);
      const StageLosses losses = step(batch.images, batch.labels, action.stage, true, nullptr);
      sums_.total += losses.total;
      sums_.local += losses.local;
      sums_.kd += losses.kd;
      ++summed_steps_;
      ++step_index;
      progress.update(step_index, "loss " + std::to_string(losses.total));
      if (pause()) return step_index;
    }
  }
  return step_index;
}

StageLosses StageTrainer::evaluate(int stage) {
  StageLosses mean;
  std::int64_t total_correct = 0;
  Loader::Options loading;
  loading.batch = options_.batch;
  loading.shuffle = false;
  loading.drop_last = false;
  Loader loader(held_out_, normalization_, loading, 0);
  for (Batch batch; loader.next(batch);) {
    std::int64_t correct = 0;
    const StageLosses losses = step(batch.images, batch.labels, stage, false, &correct);
    const double share =
        static_cast<double>(batch.labels.size()) / static_cast<double>(held_out_.size());
    mean.total += share * losses.total;
    mean.local += share * losses.local;
    mean.kd += share * losses.kd;
    total_correct += correct;
  }
  mean.top1 = static_cast<double>(total_correct) / static_cast<double>(held_out_.size());
  return mean;
}

StageLosses StageTrainer::take_training_losses() {
  StageLosses mean = sums_;
  const double steps = static_cast<double>(std::max<std::int64_t>(1, summed_steps_));
  mean.total /= steps;
  mean.local /= steps;
  mean.kd /= steps;
  sums_ = {};
  summed_steps_ = 0;
  return mean;
}

void StageTrainer::store(Container& file) const {
  if (!adam_) return;
  adam_->store(file, "adam");
  TensorF rates({static_cast<std::int64_t>(rates_.size())});
  std::copy(rates_.begin(), rates_.end(), rates.begin());
  file.put("adam/rates", rates);
  Tensor<double> sums({5});
  const double values[] = {sums_.total, sums_.local, sums_.kd, static_cast<double>(summed_steps_),
                           lr_};
  std::copy(std::begin(values), std::end(values), sums.begin());
  file.put("trainer/sums", sums);
}

void StageTrainer::load(const Container& file) {
  adam_->load(file, "adam");
  const auto rates = file.tensor<float>("adam/rates", {static_cast<std::int64_t>(rates_.size())});
  std::copy(rates.begin(), rates.end(), rates_.begin());
  const auto sums = file.tensor<double>("trainer/sums", {5});
  sums_ = {sums[0], sums[1], sums[2], 0.0};
  summed_steps_ = static_cast<std::int64_t>(sums[3]);
  lr_ = sums[4];
}

}  // namespace intandem
