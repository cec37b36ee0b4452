// Float convolution: forward, data gradient and weight gradient as implicit GEMM.
#pragma once

#include "core/conv_shape.hpp"

namespace intandem {

// Layouts (core/conv_shape.hpp): x [N][H][W][C], w [K][R][S][C/groups], y [N][P][Q][K], bias [K].
// Padding contributes zeros. Groups: nn/conv/grouped.hpp. Linear layers (H = W = R = S = 1) take
// the plain GEMM path. Results do not depend on the number of threads. If all sums are integers
// below 2²⁴ in magnitude, conv2d_forward is exact whatever the ISA: the training simulation relies
// on it (docs/quantization.md).

/// y = conv(x, w) + bias; bias may be null.
void conv2d_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                    float* y);

/// dx = d/dx ⟨dy, conv(x, w)⟩; overwrites dx.
void conv2d_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx);

/// dw += d/dw ⟨dy, conv(x, w)⟩ and, if db is not null, db += Σ over N, P, Q of dy.
void conv2d_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw,
                             float* db);

/// db += Σ over N, P, Q of dy.
void conv2d_backward_bias(const ConvShape& shape, const float* dy, float* db);

}  // namespace intandem
