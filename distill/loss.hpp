// The local loss of a stage.
#pragma once

#include "nn/tape.hpp"

namespace intandem {

/// D3: ‖C(z) − C(t)‖² / (Σ_c ‖C(t)_c − mean_c‖² + ε) over the batch, channels last. C clips to
/// [low, high], the range the codes can represent; equal bounds mean no clipping. The gradient
/// passes C straight through: where both are saturated the error is 0 and so is the gradient, and
/// where only the student is, it is pulled back. One element.
Var local_loss(Tape& tape, const Var& z, const TensorF& target, float low, float high);

}  // namespace intandem
