// Stochastic gradient descent with momentum, and learning-rate schedules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/tape.hpp"

namespace intandem {

class Container;

struct SgdOptions {
  float momentum = 0.9f;
  bool nesterov = true;
  float weight_decay = 0.0f;  ///< L2, added to the gradient of parameters with decay == true
  float clip_norm = 0.0f;     ///< global gradient norm limit; 0: off
};

/// v = momentum·v + g;  w −= lr·(nesterov ? g + momentum·v : v)   (Sutskever et al. 2013, as in
/// PyTorch), g including weight decay.
class Sgd {
 public:
  Sgd(std::vector<Parameter*> parameters, SgdOptions options);

  void zero_grad();
  /// One step; lr_scale[i], if given, multiplies the rate of parameter i. Returns the gradient norm
  /// before clipping (double accumulation in fixed order).
  double step(float lr, const std::vector<float>& lr_scale = {});
  /// The same step, after which every gradient is zero: no pass over memory of its own for that.
  double step_and_zero_grad(float lr, const std::vector<float>& lr_scale = {});

  /// Momentum under "<prefix>/<parameter name>/momentum".
  void store(Container& file, const std::string& prefix) const;
  void load(const Container& file, const std::string& prefix);

 private:
  double update(float lr, const std::vector<float>& lr_scale, bool zero_grad);
  std::vector<Parameter*> parameters_;
  SgdOptions options_;
  std::vector<TensorF> velocity_;
};

enum class ScheduleKind { constant, cosine, step };
/// "constant", "cosine", "step"; Error (usage) for another name.
ScheduleKind schedule_from_name(const std::string& name);

struct LearningRate {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 0.1;
  double final_fraction = 0.0;    ///< cosine: rate at the end, as a fraction of peak
  std::int64_t warmup_steps = 0;  ///< linear from peak/warmup_steps
  std::int64_t total_steps = 1;
  std::int64_t step_every = 0;  ///< step: every so many steps …
  double step_factor = 0.1;     ///< … multiply by this
  double at(std::int64_t step) const;
};

}  // namespace intandem
