// Uniform quantizers with a fitted, not learned, step: min-max, percentile or least squared error.
#pragma once

#include "quant/activation_quantizer.hpp"
#include "quant/uniform.hpp"

namespace intandem {

/// QZ7. ŵ = s·q(w/s) with the s of Q15 at the last fit(); dŵ/dw = 1 inside the range (one bit:
/// where |w| ≤ 2s), 0 outside.
class UniformQuantizer final : public WeightQuantizer {
 public:
  UniformQuantizer(int weight_bits, bool full_range, StepMethod method,
                   const std::string& parameter_name);

  std::string name() const override { return "uniform"; }
  void fit(TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step(const TensorF&) const override { return static_cast<double>(step_.value[0]); }
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* state() override { return &step_; }
  bool learns_state() const override { return false; }

 private:
  int weight_bits_;
  bool full_range_;
  StepMethod method_;
  CodeRange range_;
  Parameter step_;  // one element
};

/// Step of Q15 on calibration data, then constant.
class UniformActivation final : public FixedStepActivation {
 public:
  explicit UniformActivation(StepMethod method) : method_(method) {}
  std::string name() const override { return "uniform"; }
  double fit(const MagnitudeHistogram& values, std::int32_t high) const override {
    return fit_step(values, high, method_);
  }

 private:
  StepMethod method_;
};

}  // namespace intandem
