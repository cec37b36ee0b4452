// The kernels for first layers in plain loops: what every other ISA's kernels compute.
#include "nn/conv/stem/stem.hpp"

namespace intandem {
namespace {

constexpr int kPixels = 4, kColumns = 8, kTaps = 8;

template <int kCount>
void forward_tile(const StemWindows& windows, const float* weights, const float* bias, float* y,
                  std::int64_t ldy, int nr, bool /*stream*/) {
  float sum[kCount][kColumns] = {};
  for (std::int64_t r = 0; r < windows.R; ++r) {
    for (std::int64_t t = 0; t < windows.taps; ++t) {
      for (int q = 0; q < kCount; ++q) {
        const float tap = windows.image[r * windows.line + q * windows.step + t];
        for (int j = 0; j < kColumns; ++j) sum[q][j] += tap * weights[j];
      }
      weights += kColumns;
    }
  }
  for (int q = 0; q < kCount; ++q) {
    for (int j = 0; j < nr; ++j) y[q * ldy + j] = sum[q][j] + bias[j];
  }
}

StemKernels::Forward forward(std::int64_t, int count) {
  constexpr StemKernels::Forward kTiles[kPixels] = {forward_tile<1>, forward_tile<2>,
                                                    forward_tile<3>, forward_tile<4>};
  return kTiles[count - 1];
}

void backward_weights(const StemWindows& windows, std::int64_t P, std::int64_t Q, int taps,
                      const float* dy, std::int64_t ldy, float* dw, std::int64_t ldw, int nr) {
  float sum[kTaps][kColumns] = {};
  for (std::int64_t p = 0; p < P; ++p) {
    for (std::int64_t q = 0; q < Q; ++q) {
      const float* tap = windows.image + p * windows.row_lines + q * windows.step;
      for (int i = 0; i < taps; ++i) {
        for (int j = 0; j < nr; ++j) sum[i][j] += tap[i] * dy[(p * Q + q) * ldy + j];
      }
    }
  }
  for (int i = 0; i < taps; ++i) {
    for (int j = 0; j < nr; ++j) dw[i * ldw + j] += sum[i][j];
  }
}

}  // namespace

const StemKernels kStemKernels_ref = {kPixels, kColumns, kTaps, forward, backward_weights};

}  // namespace intandem
