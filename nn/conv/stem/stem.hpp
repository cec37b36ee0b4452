// Convolution of images with few channels, the first layer of a network. The windows of a row are
// so short that packing them costs more than multiplying them, so the kernels read them where they
// are: in NHWC a window row is S·C neighbouring floats, and the next window starts stride·C
// further.
#pragma once

#include <cstdint>

#include "core/conv_shape.hpp"

namespace intandem {

/// Windows over one zero-padded band of an image: tap (r, t) of window q of output row p, t < S·C,
/// is image[(p·stride + r)·line + q·step + t].
struct StemWindows {
  const float* image;
  std::int64_t line;       ///< floats of a padded image line
  std::int64_t step;       ///< stride·C
  std::int64_t row_lines;  ///< stride·line
  std::int64_t R, taps;    ///< rows of a window, S·C
};

/// One per instruction set; docs/float_kernels.md. nr ≤ columns in both.
struct StemKernels {
  int pixels;   ///< windows multiplied at a time, at most
  int columns;  ///< output channels multiplied at a time
  int taps;     ///< taps of one row whose gradients are summed at a time, at most
  /// y[q·ldy + j] = bias[j] + Σ_{r,t} window q's tap · weights[(r·S·C + t)·columns + j] for the
  /// first `count` windows of the first row and j < nr, summed in the order of r and t from zero,
  /// bias last. 1 ≤ count ≤ pixels. Null if there is no kernel for this step. `stream` may write y
  /// past the caches, for a reader on another thread after a fence; nr = columns then, and y and
  /// its rows are aligned to 64 bytes.
  using Forward = void (*)(const StemWindows&, const float* weights, const float* bias, float* y,
                           std::int64_t ldy, int nr, bool stream);
  Forward (*forward)(std::int64_t step, int count);
  /// dw[i·ldw + j] += Σ over P rows of Q windows of tap (0, i) · dy[(p·Q + q)·ldy + j], for i <
  /// taps and j < nr, summed in the order of p and q from zero. 1 ≤ taps ≤ the `taps` above.
  void (*backward_weights)(const StemWindows&, std::int64_t P, std::int64_t Q, int taps,
                           const float* dy, std::int64_t ldy, float* dw, std::int64_t ldw, int nr);
};

extern const StemKernels kStemKernels_ref;
#if defined(__x86_64__)
extern const StemKernels kStemKernels_avx2;
extern const StemKernels kStemKernels_avx512;
#endif

/// As conv2d_forward() and conv2d_backward_weights() (without db), for shapes they admit.
bool stem_admits_forward(const ConvShape& shape);
bool stem_admits_backward_weights(const ConvShape& shape);
void stem_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                  float* y);
void stem_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw);

}  // namespace intandem
