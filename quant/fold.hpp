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

/// Q12: g_k = γ_k/√(σ²_k + ε), W' = g_k·W, b' = β_k + g_k·(0 − μ_k); a unit without batch norm
/// keeps its weight and bias. `input`, for unit 0 only, also divides the weights of input channel c
/// by std_dev_c (Q8), so that they apply to pixels minus zero point. conv and linear units only.
/// Error naming the unit if a folded number overflows float32.
FoldedUnit fold_batch_norm(const FloatUnit& unit, const UnitSpec& spec, const Normalization* input);

}  // namespace intandem
