// Float convolution 3×3, stride 1, by the Winograd algorithm F(4×4, 3×3) over the points 0, ±1, ±i
// and ∞: 49 products for 16 outputs that need 144. Rounds a little more than the direct way
// (docs/float_kernels.md, "Winograd"), so it is used in training only, and only where asked for.
#pragma once

#include "core/conv_shape.hpp"

namespace intandem {

enum class ConvPass { forward, data_gradient, weight_gradient };

/// Kernel 3×3, stride 1, padding at most 2, no groups.
bool winograd_admits(const ConvShape& shape);

/// Whether Winograd is expected to be faster. A function of the shape alone, fitted to
/// measurements.
bool winograd_pays(const ConvShape& shape, ConvPass pass);

/// As the functions of nn/conv/conv2d.hpp, for shapes that are admitted. The same bits for any
/// number of threads. Exact if all sums are integers below 2²⁴/600 in magnitude.
void winograd_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                      float* y);
void winograd_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx);
/// dw += …; the gradient of the bias is conv2d_backward_bias()'s.
void winograd_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw);

/// While an object lives, convolutions on a Tape recorded by this thread use Winograd where it
/// pays, in all their passes; by default they do not.
class UseWinograd {
 public:
  explicit UseWinograd(bool use);
  ~UseWinograd();
  UseWinograd(const UseWinograd&) = delete;
  UseWinograd& operator=(const UseWinograd&) = delete;

 private:
  bool before_;
};
bool winograd_in_use();

}  // namespace intandem
