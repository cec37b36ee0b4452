// The reference of the convolution by rows: plain loops.
#include "nn/conv/rows/kernels.hpp"

namespace intandem {
namespace {

constexpr int kPixels = 4, kChannels = 8;

void tile(const RowTile& t, int pixels, int channels) {
  const int lower = (pixels + 1) / 2;
  for (int i = 0; i < pixels; ++i) {
    const float* window =
        i < lower ? t.low + i * t.pixel_stride : t.high + (i - lower) * t.pixel_stride;
    float sum[kChannels] = {};
    const float* b = t.b;
    for (std::int64_t r = 0; r < t.rows; ++r) {
      for (std::int64_t p = 0; p < t.length; ++p, b += kChannels) {
        const float x = window[r * t.row_stride + p];
        for (int k = 0; k < kChannels; ++k) sum[k] += x * b[k];
      }
    }
    float* c = i < lower ? t.c_low + i * t.ldc : t.c_high + (i - lower) * t.ldc;
    for (int k = 0; k < channels; ++k) c[k] = sum[k];
  }
}

}  // namespace

const RowKernels kRowKernels_ref = {kPixels, kChannels, tile};

}  // namespace intandem
