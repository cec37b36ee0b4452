// PACT: the level at which activations are clipped is learned (Choi, Wang, Venkataramani, Chuang,
// Srinivasan, Gopalakrishnan, "PACT: parameterized clipping activation for quantized neural
// networks", arXiv 1805.06085).
#pragma once

#include "quant/activation_quantizer.hpp"

namespace intandem {

/// QZ4. Value y_q = s·round(clip(z, 0, κ)/s), κ = s·high the clipping level (PACT eq. 1 and 2). The
/// gradient to κ comes from clipped activations alone (eq. 3): dy_q/dκ = 0 for z < κ, 1 for z ≥ κ.
/// Stated for s = κ/high: d(s·q)/ds = 0 inside the range, high above it.
/// PACT's weights are DoReFa's (section 5 of the paper), so `--quantizer pact` takes both.
class PactActivation final : public ActivationQuantizer {
 public:
  std::string name() const override { return "pact"; }
  /// The clipping level of least squared error (Q15), where the paper starts from a large constant.
  double fit(const MagnitudeHistogram& values, std::int32_t high) const override;
  bool learns_step() const override { return true; }
  double backward(const float* z, const float* codes, const float* g, std::int64_t n, float step,
                  CodeRange range, float* dz) const override;
  /// Section 3: κ has an L2 penalty of the weights' strength, without which it only grows.
  bool decays_step() const override { return true; }
};

}  // namespace intandem
