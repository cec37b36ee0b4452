// Weight quantizers: from latent floats to the integer codes that are deployed, and back again for
// the gradient. One interface, chosen by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

/// How the weights of one layer become codes. The real value of a code q is step()·q.
class WeightQuantizer {
 public:
  virtual ~WeightQuantizer() = default;

  /// The name it is chosen by.
  virtual std::string name() const = 0;
  /// Chooses the step for latent weights w (any shape), before training.
  virtual void fit(const TensorF& w) = 0;
  /// Codes of w, same shape.
  virtual TensorS8 encode(const TensorF& w) const = 0;
  /// Real value of one code, > 0.
  virtual double step() const = 0;
  /// Straight-through gradient: given g = dL/dŵ with ŵ = step()·codes, adds dL/dw to grad_w and
  /// dL/dstep to the gradient of the learned step, if there is one.
  virtual void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                        TensorF& grad_w) = 0;
  /// What it learns besides w (at most the step); null if nothing.
  virtual Parameter* learned() = 0;
};

/// name: "lsq" (learned step), "uniform" (step refitted to w at every call of fit, not learned).
/// Error (usage) for another name or bits outside 1 … 8.
std::unique_ptr<WeightQuantizer> make_weight_quantizer(const std::string& name, int weight_bits,
                                                       bool full_range,
                                                       const std::string& parameter_name);
std::vector<std::string> weight_quantizer_names();

}  // namespace intandem
