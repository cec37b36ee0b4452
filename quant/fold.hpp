// Batch norm and input normalization folded into weights and bias.
#pragma once

#include "core/normalization.hpp"
#include "nn/network.hpp"

namespace intandem {

/// Weights and bias of one unit without batch norm.
struct FoldedUnit {
  TensorF weight;  ///< same shape as the unit's weight
  TensorF bias;    ///< [K]
};

/// Unit k of the network. Q12: g = γ/√(σ² + ε), W' = g·W, b' = β + g·(0 − μ) per output channel; a
/// unit without batch norm keeps its weight and bias. W is what the product uses, of a quantized
/// network the quantized weights. `input`, for unit 0 only, also divides the weights of input
/// channel c by std_dev_c (Q8), so that they apply to pixels minus zero point, and adds Σ w·offset
/// to the bias, which is what the offset does where no padding is read. conv and linear units only.
/// Error naming the unit if a folded number overflows float32.
FoldedUnit fold_batch_norm(const FloatNetwork& net, int k, const Normalization* input);

}  // namespace intandem
