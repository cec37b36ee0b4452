// Trains one stage, or the joint phase, and measures it on held-out images.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "data/dataset.hpp"
#include "distill/hybrid.hpp"
#include "distill/loss.hpp"
#include "distill/options.hpp"
#include "distill/schedule.hpp"
#include "nn/adam.hpp"

namespace intandem {

class StageTrainer {
 public:
  /// All must outlive the trainer. Usage error for batches of one image: the variance in D3 and the
  /// statistics of a single image mean nothing. Of several shards each has a trainer of its own,
  /// which works on its images of every batch; gradients are summed, and all trainers stay equal.
  StageTrainer(Hybrid& hybrid, const DistillOptions& options, const Dataset& train,
               const Dataset& held_out, Communicator& shards = Communicator::alone());

  std::int64_t batches_per_epoch() const;
  /// Units first_unit(stage) … last_unit(stage) are trained in a stage: the window that ends with
  /// unit `stage`, or all in the joint phase (stage == unit_count).
  int first_unit(int stage) const;
  int last_unit(int stage) const;

  /// Freezes the units before the window; fresh optimizer and rates for those in it.
  void begin(int stage);
  /// Steps action.first_step … of the stage's `max_steps`, until action.last_step or until
  /// pause() is true after a step, on all shards at once. Returns the step reached.
  std::int64_t train(const Action& action, std::int64_t max_steps,
                     const std::function<bool()>& pause);
  /// Losses over the held-out images, no augmentation. Without labels (ce_weight 0) top1 counts
  /// agreement with the teacher.
  LossMeans evaluate(int stage);
  /// Mean losses of the training steps since the last call, and the last learning rate.
  LossMeans take_training_losses();
  double last_lr() const { return lr_; }

  void store(Container& file) const;
  void load(const Container& file);

 private:
  LossMeans step(const TensorU8& images, const std::vector<std::int32_t>& labels, int stage);
  /// Unit from which the loss wants the teacher's z.
  int first_target(int stage) const;
  bool is_joint(int stage) const { return stage == hybrid_.student().unit_count(); }
  bool trains_alpha(int stage) const { return !is_joint(stage) && !options_.fix_alpha; }

  Hybrid& hybrid_;
  const DistillOptions& options_;
  const LossWeights weights_;
  const Dataset& train_;
  const Dataset& held_out_;
  Communicator& shards_;
  Normalization normalization_;
  std::vector<Parameter*> parameters_;
  std::unique_ptr<Adam> adam_;
  std::vector<float> rates_;
  LossMeans sums_;
  std::int64_t summed_steps_ = 0;
  double lr_ = 0;
};

}  // namespace intandem
