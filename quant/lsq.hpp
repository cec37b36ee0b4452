// LSQ: the step is learned with the weights (Esser et al., "Learned step size quantization",
// ICLR 2020).
#pragma once

#include "quant/quantizer.hpp"

namespace intandem {

/// Q13. ŵ = s·q(w/s). With the straight-through estimator,
///   dŵ/dw = 1 inside the range, 0 outside               (LSQ eq. 5)
///   dŵ/ds = q − w/s inside, the clipped code outside    (LSQ eq. 3)
/// LSQ's gradient scale 1/√(weights·q_high) is left to the optimizer: Adam's updates do not depend
/// on the scale of a gradient, so the rate of the step is set relative to the step
/// (distill/stage_trainer.cpp). One bit: ŵ = s·sign(w); dŵ/dw = 1 where |w| ≤ 2s, dŵ/ds = sign(w).
class LsqQuantizer final : public WeightQuantizer {
 public:
  LsqQuantizer(int weight_bits, bool full_range, const std::string& parameter_name);

  std::string name() const override { return "lsq"; }
  /// The step of least squared error rather than LSQ's 2·mean|w|/√q_high: the tandem starts from
  /// trained weights, where the optimum is known.
  void fit(const TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step() const override;
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* learned() override { return &step_; }

 private:
  int weight_bits_;
  bool full_range_;
  CodeRange range_;
  Parameter step_;  // one element
};

}  // namespace intandem
