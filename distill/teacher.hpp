// The teacher: a network with float batch normalization, trained by SGD; its weights and
// activations are floats, or quantized (quant/quantized_network.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/communicator.hpp"
#include "data/dataset.hpp"
#include "data/loader.hpp"
#include "distill/model_info.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "quant/quantizer_options.hpp"

namespace intandem {

class Container;
class GradientReducer;

struct TeacherOptions {
  std::int64_t epochs = 8;
  std::int64_t batch = 128;
  double warmup_epochs = 0.5;
  double lr = 0.1;
  ScheduleKind schedule = ScheduleKind::cosine;  ///< step: ×0.1 after each third of the epochs
  SgdOptions sgd;
  float label_smoothing = 0.0f;
  Augment augment;
  std::uint64_t seed = 1;
  std::optional<QuantizerOptions> quantizers;  ///< none: a float teacher
  bool winograd = true;  ///< in training steps, where it pays (nn/conv/winograd/winograd.hpp)
  /// Batch norm's statistics are those of the whole batch, not of a shard.
  bool synchronized_batch_norm = false;
};

/// One finished epoch. Accuracies are counts, so that they print exactly.
struct TeacherEpoch {
  std::int64_t epoch = 0;                            ///< from 1
  std::int64_t step = 0;                             ///< steps done so far
  double loss = 0;                                   ///< mean training loss of the epoch
  double lr = 0;                                     ///< rate of its last step
  std::int64_t train_correct = 0, train_images = 0;  ///< during training, augmented images
  std::int64_t held_out_correct = 0, held_out_images = 0;
};

/// The training run as resumable state: (network, momentum, step). Everything random is a function
/// of (seed, step), so that a run resumed from store() continues bit for bit.
///
/// Of several shards each has a trainer of its own, which works on its images of every batch; the
/// gradients are summed, and all trainers stay equal, bit for bit. Running statistics of batch norm
/// that are taken per shard are averaged after every step.
class TeacherTrainer {
 public:
  /// The data must outlive the trainer. `resume`: a container written by store(), or null. Error if
  /// the training images do not fill one batch. `init`: a teacher's container whose weights and
  /// batch norm are the start instead of random ones; error if it is another network. `shards` must
  /// outlive the trainer.
  TeacherTrainer(const NetworkSpec& spec, const Split& data, const Normalization& norm,
                 const TeacherOptions& options, const Container* resume = nullptr,
                 const Container* init = nullptr, Communicator& shards = Communicator::alone());

  struct Events {
    /// After every step, with the step count; return true to stop here.
    std::function<bool(std::int64_t step, double loss)> on_step;
    /// After every epoch's held-out evaluation; return true to stop here.
    std::function<bool(const TeacherEpoch&)> on_epoch;
    /// Before it stops because an event of this or another shard says so. May be empty.
    std::function<void()> on_stop = {};
  };
  /// Trains to the end (true) or to where an event of any shard says stop (false). Error if the
  /// loss is no longer finite.
  bool run(const Events& events);

  /// Parameters, batch-norm state, momentum, position and running sums of the epoch.
  void store(Container& file) const;

  FloatNetwork& network() { return net_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t total_steps() const { return steps_per_epoch_ * options_.epochs; }
  std::int64_t step() const { return step_; }

 private:
  double train_step(const Batch& batch);
  TeacherEpoch end_epoch();
  /// The gradients of all shards, and the averages of what batch norm has measured on each.
  void reduce(GradientReducer& reducer);
  bool stops(const Events& events, bool mine);

  const Split& data_;
  const Normalization& norm_;
  TeacherOptions options_;
  Communicator& shards_;
  std::int64_t steps_per_epoch_;
  FloatNetwork net_;
  Sgd sgd_;
  LearningRate rate_;
  std::int64_t step_ = 0;
  double loss_sum_ = 0;             // over the steps of this epoch
  std::int64_t train_correct_ = 0;  // of this epoch
};

/// A teacher file: network and origin, container kind "teacher".
struct Teacher {
  FloatNetwork net;
  ModelInfo info;
};
void save_teacher(const FloatNetwork& net, const ModelInfo& info, const std::string& path);
Teacher load_teacher(const std::string& path);

}  // namespace intandem
