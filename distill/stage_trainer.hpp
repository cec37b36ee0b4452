// Trains one stage, or the joint phase, and measures it on held-out images.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "distill/hybrid.hpp"
#include "distill/options.hpp"
#include "distill/schedule.hpp"
#include "nn/adam.hpp"

namespace intandem {

/// Means over the batches of a stretch of training or of the held-out images.
struct StageLosses {
  double total = 0;  ///< D5, or D7 in the joint phase
  double local = 0;  ///< D3; joint: cross-entropy with the labels
  double kd = 0;     ///< D4
  double top1 = 0;   ///< share of images the hybrid classifies correctly, 0 … 1; held-out only
};

class StageTrainer {
 public:
  /// All must outlive the trainer.
  StageTrainer(Hybrid& hybrid, const DistillOptions& options, const Dataset& train,
               const Dataset& held_out);

  std::int64_t batches_per_epoch() const;

  /// Fresh optimizer and rates for a stage (stage == unit_count: the joint phase).
  void begin(int stage);
  /// Steps action.first_step … of the stage's `max_steps`, until action.last_step or until
  /// pause() is true after a step. Returns the step reached.
  std::int64_t train(const Action& action, std::int64_t max_steps,
                     const std::function<bool()>& pause);
  /// Losses over the held-out images, no augmentation.
  StageLosses evaluate(int stage);
  /// Mean losses of the training steps since the last call, and the last learning rate.
  StageLosses take_training_losses();
  double last_lr() const { return lr_; }

  void store(Container& file) const;
  void load(const Container& file);

 private:
  StageLosses step(const TensorU8& images, const std::vector<std::int32_t>& labels, int stage,
                   bool train, std::int64_t* correct);
  bool is_joint(int stage) const { return stage == hybrid_.student().unit_count(); }

  Hybrid& hybrid_;
  const DistillOptions& options_;
  const Dataset& train_;
  const Dataset& held_out_;
  Normalization normalization_;
  std::unique_ptr<Adam> adam_;
  std::vector<float> rates_;
  StageLosses sums_;
  std::int64_t summed_steps_ = 0;
  double lr_ = 0;
};

}  // namespace intandem
