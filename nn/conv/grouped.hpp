// Float convolution in groups (shape.groups > 1): depthwise by kernels of its own, any other number
// of groups as so many ordinary convolutions of channel slices.
#pragma once

#include "core/conv_shape.hpp"

namespace intandem {

/// The passes of nn/conv/conv2d.hpp with groups. x [N][H][W][C], w [K][R][S][C/groups],
/// y [N][P][Q][K]; bias [K] may be null. Results do not depend on the number of threads; sums of
/// integers below 2²⁴ are exact.
void grouped_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                     float* y);
/// Overwrites dx.
void grouped_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx);
/// dw += …
void grouped_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw);

/// The same for shape.is_depthwise(); w is [C][R][S].
void depthwise_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                       float* y);
void depthwise_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx);
void depthwise_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw);

}  // namespace intandem
