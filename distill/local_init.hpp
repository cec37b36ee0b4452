// Where a stage starts: the teacher's folded layer, quantized, with scale and bias in closed form.
#pragma once

#include "data/dataset.hpp"
#include "distill/hybrid.hpp"
#include "distill/options.hpp"

namespace intandem {

/// Sets every parameter of unit k from the teacher and the first options.calibration_images of
/// `data`, fed through the student's own frozen prefix (hybrid.freeze(k) has been called):
///   latent weights   folded teacher weights (Q12), or He-normal ones with options.random_init
///   weight step      least squared error on them (Q15)
///   output step      least squared error on the teacher's ReLU output (Q15)
///   alpha, bias      Q14: α* = Σ_c cov(S_c, T_c)/Σ_c var(S_c), b_c = mean(T_c) − α*·mean(S_c)
/// with S the student's product and T the teacher's post-BN activation. Where S does not correlate
/// with T (random weights), α* = √(Σ var T/Σ var S) matches the spread instead.
void local_init(Hybrid& hybrid, int k, const Dataset& data, const DistillOptions& options);

}  // namespace intandem
