// Adam, for the student: latents, steps, scales and biases differ in magnitude by many orders, and
// Adam's update does not depend on the scale of a gradient.
#pragma once

#include <string>
#include <vector>

#include "nn/tape.hpp"

namespace intandem {

class Container;

/// m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², w −= rate·m̂/(√v̂ + ε), with bias-corrected m̂, v̂ (Kingma
/// and Ba 2015, algorithm 1). Element-wise, hence independent of the thread count.
class Adam {
 public:
  explicit Adam(std::vector<Parameter*> parameters);

  void zero_grad();
  /// One step; parameter i moves by lr·rates[i] times Adam's unit update.
  void step(float lr, const std::vector<float>& rates);

  /// Moments under "<prefix>/<parameter name>/m" and "…/v", the step count as metadata.
  void store(Container& file, const std::string& prefix) const;
  void load(const Container& file, const std::string& prefix);

 private:
  static constexpr float kBeta1 = 0.9f;
  static constexpr float kBeta2 = 0.999f;
  static constexpr float kEpsilon = 1e-12f;  // far below any gradient that matters

  std::vector<Parameter*> parameters_;
  std::vector<TensorF> m_, v_;
  std::int64_t steps_ = 0;
};

}  // namespace intandem
