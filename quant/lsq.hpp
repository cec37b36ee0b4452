// LSQ: the step is learned with everything else (Esser, McKinstry, Bablani, Appuswamy, Modha,
// "Learned step size quantization", ICLR 2020).
#pragma once

#include "quant/activation_quantizer.hpp"

namespace intandem {

/// Q13. ŵ = s·q(w/s). With the straight-through estimator,
///   dŵ/dw = 1 inside the range, 0 outside               (LSQ eq. 5)
///   dŵ/ds = q − w/s inside, the clipped code outside    (LSQ eq. 3)
/// One bit: ŵ = s·sign(w); dŵ/dw = 1 where |w| ≤ 2s, dŵ/ds = sign(w).
class LsqQuantizer final : public WeightQuantizer {
 public:
  LsqQuantizer(int weight_bits, bool full_range, const std::string& parameter_name);

  std::string name() const override { return "lsq"; }
  /// The step of least squared error rather than LSQ's 2·mean|w|/√q_high: the tandem starts from
  /// trained weights, where the optimum is known.
  void fit(TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step(const TensorF& w) const override;
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* state() override { return &step_; }
  bool learns_state() const override { return true; }
  /// LSQ section 2.2: 1/√(count·q_high), so that steps and weights move in proportion. Adam's
  /// updates do not depend on it (distill/stage_trainer.cpp sets the step's rate instead).
  double state_gradient_scale(std::int64_t count) const override;

 private:
  int weight_bits_;
  bool full_range_;
  CodeRange range_;
  Parameter step_;  // one element
};

/// The same for activations: d(s·q)/ds = q − z/s inside, the clipped code outside (LSQ eq. 3).
class LsqActivation final : public ActivationQuantizer {
 public:
  std::string name() const override { return "lsq"; }
  /// The step of least squared error (Q15).
  double fit(const MagnitudeHistogram& values, std::int32_t high) const override;
  bool learns_step() const override { return true; }
  double backward(const float* z, const float* codes, const float* g, std::int64_t n, float step,
                  CodeRange range, float* dz) const override;
  double step_gradient_scale(std::int64_t count, std::int32_t high) const override;
};

}  // namespace intandem
