// The backward pass of a unit's product.
#pragma once

#include "nn/conv/winograd/winograd.hpp"
#include "quant/fake_quant.hpp"

namespace intandem {

/// What the backward pass of a unit needs to know of its forward pass.
struct UnitRecord {
  ConvShape shape;                    ///< with N of the batch
  UnitCodes codes;                    ///< what it was lowered to
  TensorS32 window_sums;              ///< of an average pool, else empty
  Var x, in_step;                     ///< as given to simulate_unit()
  Var shortcut, shortcut_step;        ///< null without one
  SimulationMode mode;                ///< which gradients are wanted
  bool winograd = winograd_in_use();  ///< in the gradients
};

/// Given dz = dL/dz [N][P][Q][K], adds to the gradients of x, weights, step_in, step_w, alpha and
/// the shortcut: Q13 with the straight-through estimator for the roundings of weights, bias and
/// multiplier. The bias's own gradient is add_bias_gradient()'s.
void backward_product(const UnitRecord& record, StudentUnit& unit, const TensorF& dz);

/// bias.grad += Σ dz over all axes but the last, if the unit is trained and has a bias.
void add_bias_gradient(const UnitRecord& record, StudentUnit& unit, const TensorF& dz);

}  // namespace intandem
