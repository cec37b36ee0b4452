// Quantizers: from latent floats to the integer codes that are deployed, and back again for the
// gradient. One interface for weights, one for activations (quant/activation_quantizer.hpp); both
// are chosen by name (quant/quantizer_registry.cpp). Formulas and sources: docs/quantizers.md.
#pragma once

#include <cstdint>
#include <string>

#include "nn/tape.hpp"

namespace intandem {

/// Inclusive range of integer codes (docs/quantization.md, Q1 and Q2).
struct CodeRange {
  std::int32_t low = 0, high = 0;
};

/// Q1: weight codes of W bits, 1 … 8. W = 1: the codes −1 and +1 (0 is not a code). Otherwise
/// symmetric |q| ≤ 2^(W−1) − 1, or with full_range −2^(W−1) … 2^(W−1) − 1 as in the LSQ paper.
CodeRange weight_range(int weight_bits, bool full_range);
/// Q2: activation codes of A bits, 1 … 8, are 0 … 2^A − 1.
std::int32_t max_activation_code(int activation_bits);

/// Q1: clamp(⌊value/step + ½⌋, low, high); with the range −1 … 1 of one bit, the sign, +1 for 0.
/// Computed in double so that training and lowering cannot differ.
std::int8_t encode_weight(float value, double step, CodeRange range, int weight_bits);
/// encode_weight of every element.
TensorS8 encode_weights(const TensorF& w, double step, CodeRange range, int weight_bits);

/// How the weights of one layer become codes. The real value of a code q is step(w)·q.
class WeightQuantizer {
 public:
  virtual ~WeightQuantizer() = default;

  /// The name it is chosen by.
  virtual std::string name() const = 0;
  /// Prepares the state for weights w (any shape), before training. May replace w by latents whose
  /// codes stand for w up to a positive factor, which the layer's scale or batch norm makes good.
  virtual void fit(TensorF& w) = 0;
  /// Codes of w, same shape.
  virtual TensorS8 encode(const TensorF& w) const = 0;
  /// Real value of code 1 for latents w, > 0.
  virtual double step(const TensorF& w) const = 0;
  /// Straight-through gradient: given g = dL/dŵ with ŵ = step(w)·codes, adds dL/dw to grad_w and,
  /// if learns_state(), the state's gradient to state()->grad.
  virtual void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                        TensorF& grad_w) = 0;

  /// What it has learned or fitted besides w: one element, stored with every model and checkpoint.
  /// Null if w is all it needs.
  virtual Parameter* state() = 0;
  /// Whether training moves state().
  virtual bool learns_state() const = 0;
  /// Factor on the state's gradient under SGD, for `count` weights that share the state.
  virtual double state_gradient_scale(std::int64_t /*count*/) const { return 1.0; }
};

}  // namespace intandem
