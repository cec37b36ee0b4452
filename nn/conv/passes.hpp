// The passes of a convolution in training, by the direct way (nn/conv/conv2d.hpp) or by
// Winograd.
#pragma once

#include "core/conv_shape.hpp"

namespace intandem {

// As the functions of nn/conv/conv2d.hpp; with `winograd`, by nn/conv/winograd/winograd.hpp where
// that pays, which rounds a little more.
void forward_pass(const ConvShape& shape, bool winograd, const float* x, const float* w,
                  const float* bias, float* y);
void data_gradient_pass(const ConvShape& shape, bool winograd, const float* dy, const float* w,
                        float* dx);
void weight_gradient_pass(const ConvShape& shape, bool winograd, const float* x, const float* dy,
                          float* dw, float* db);

}  // namespace intandem
