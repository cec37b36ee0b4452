// WAGE-style quantizers: the step is a power of two and stays what it is (Wu, Li, Chen, Shi,
// "Training and inference with integers in deep neural networks", ICLR 2018).
#pragma once

#include "quant/activation_quantizer.hpp"

namespace intandem {

/// QZ8. ŵ = s·clamp(round(w/s), −(2^(W−1) − 1), 2^(W−1) − 1), s = 2^e: WAGE's Q(x, k) (section 3)
/// with the layer's power of two (its α) taken into s. WAGE derives e from the fan-in; here it is
/// the e of least squared error at fit(). Of WAGE's four quantizers these are W and A; gradients
/// and errors stay floats.
/// Gradient: 1, and where |w| is clipped only if the step leads back into the range: WAGE clips the
/// latents themselves after each update (section 3), with the same effect.
class WageQuantizer final : public WeightQuantizer {
 public:
  WageQuantizer(int weight_bits, const std::string& parameter_name);

  std::string name() const override { return "wage"; }
  void fit(TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step(const TensorF&) const override { return static_cast<double>(step_.value[0]); }
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* state() override { return &step_; }
  bool learns_state() const override { return false; }

 private:
  int weight_bits_;
  CodeRange range_;
  Parameter step_;  // one element, a power of two
};

/// The power of two of least squared error on calibration data, then constant.
class WageActivation final : public FixedStepActivation {
 public:
  std::string name() const override { return "wage"; }
  double fit(const MagnitudeHistogram& values, std::int32_t high) const override;
};

}  // namespace intandem
