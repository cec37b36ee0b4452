// The depthwise kernels: plain data and functions, one file per instruction set.
#pragma once

#include <cstdint>

namespace intandem {

/// One output pixel of a depthwise convolution (Q3):
///
///     acc[c] = bias[c] + Σ_{i < pairs} weights[i][c][0]·taps[2i][c] +
///     weights[i][c][1]·taps[2i+1][c]
///
/// for c < channels. weights s16 [pairs][weight_stride / 2][2]. The products of two taps are added
/// in 32 bits: at most 2·255·128.
struct DepthwisePixel {
  const std::uint8_t* const* taps;  ///< [2·pairs] pixels of `channels` codes
  const std::int16_t* weights;
  std::int64_t weight_stride;  ///< elements from pair to pair
  std::int64_t pairs, channels;
  const std::int32_t* bias;
  std::int32_t* acc;
};

using DepthwiseFn = void (*)(const DepthwisePixel& pixel);

#if defined(__x86_64__)
void depthwise_pixel_avx2(const DepthwisePixel& pixel);
#endif

}  // namespace intandem
