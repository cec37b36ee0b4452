// Activation quantizers: what real value an activation's code stands for, and how the gradient
// passes its rounding and clipping.
#pragma once

#include <cstdint>
#include <string>

#include "quant/quantizer.hpp"

namespace intandem {

class MagnitudeHistogram;

/// One step s per layer: value s·q, code q = clamp(round(z/s), low, high), low = 0 behind a ReLU.
/// The rounding itself is the integer requantization (Q5); a quantizer decides how s is found and
/// which gradients it gets. The step is the layer's StudentUnit::out_step and is stored with it, so
/// a quantizer holds nothing of its own. PACT's clipping level is s·high.
class ActivationQuantizer {
 public:
  virtual ~ActivationQuantizer() = default;

  /// The name it is chosen by.
  virtual std::string name() const = 0;
  /// Step for values of these magnitudes and codes up to `high`, > 0.
  virtual double fit(const MagnitudeHistogram& values, std::int32_t high) const = 0;
  /// Whether training moves the step.
  virtual bool learns_step() const = 0;

  /// Straight-through gradients of n codes. g = dL/dq. Writes dz = dL/dz = g/s inside the range and
  /// 0 outside, and returns Σ g·∂q/∂s (0 if the step is not learned). Whoever uses s·q adds
  /// Σ dL/d(s·q)·q on top, so that a step's whole gradient is that of the quantizer's paper.
  virtual double backward(const float* z, const float* codes, const float* g, std::int64_t n,
                          float step, CodeRange range, float* dz) const = 0;

  /// Factor on the step's gradient under SGD, for `count` activations of one image sharing it.
  virtual double step_gradient_scale(std::int64_t /*count*/, std::int32_t /*high*/) const {
    return 1.0;
  }
  /// Whether SGD's weight decay applies to the step.
  virtual bool decays_step() const { return false; }
};

/// The straight-through estimator all of them share, n values: dz = g/s where low < z/s < high,
/// else 0.
void pass_inside(const float* z, const float* g, std::int64_t n, float step, CodeRange range,
                 float* dz);

/// A quantizer whose step is not learned: pass_inside() is all its gradient. Those with a fixed
/// step derive from this.
class FixedStepActivation : public ActivationQuantizer {
 public:
  bool learns_step() const override { return false; }
  double backward(const float* z, const float* codes, const float* g, std::int64_t n, float step,
                  CodeRange range, float* dz) const override;
};

}  // namespace intandem
