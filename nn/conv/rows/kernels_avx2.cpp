// Convolution by rows with AVX2 and FMA: 6 pixels × 16 channels, the register tile of the matrix
// product (core/gemm_f32_avx2.cpp) without a packed left operand.
#include "nn/conv/rows/kernels.hpp"

#if defined(__AVX2__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kMaxPixels = 6, kChannels = 16;
// Weights stream from the second-level cache: fetch this many steps ahead.
constexpr int kPrefetchSteps = 16;

// First `n` lanes set (n ≤ 8; none if n ≤ 0).
__m256i lane_mask(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}

// Accumulators are named variables because GCC 12 spills arrays of them.
#define INTANDEM_PIXELS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define INTANDEM_DECLARE(i) __m256 x##i = _mm256_setzero_ps(), y##i = x##i;
#define INTANDEM_FMA(i)                                                                       \
  if constexpr (kPixels > i) {                                                                \
    constexpr int within = i < kLower ? i : i - kLower;                                       \
    const __m256 v = _mm256_broadcast_ss((i < kLower ? low : high) + within * stride + step); \
    x##i = _mm256_fmadd_ps(v, b0, x##i);                                                      \
    y##i = _mm256_fmadd_ps(v, b1, y##i);                                                      \
  }
#define INTANDEM_STEP(s)                                             \
  {                                                                  \
    constexpr int step = s;                                          \
    const __m256 b0 = _mm256_load_ps(b + s * kChannels);             \
    const __m256 b1 = _mm256_load_ps(b + s * kChannels + 8);         \
    _mm_prefetch(b + (s + kPrefetchSteps) * kChannels, _MM_HINT_T0); \
    INTANDEM_PIXELS(INTANDEM_FMA)                                    \
  }
#define INTANDEM_STORE(i)                                                            \
  if constexpr (kPixels > i) {                                                       \
    float* row = i < kLower ? t.c_low + i * t.ldc : t.c_high + (i - kLower) * t.ldc; \
    _mm256_maskstore_ps(row, mask0, x##i);                                           \
    _mm256_maskstore_ps(row + 8, mask1, y##i);                                       \
  }

template <int kPixels>
void tile(const RowTile& t, int channels) {
  constexpr int kLower = (kPixels + 1) / 2;
  const std::int64_t stride = t.pixel_stride;
  const float* b = t.b;
  INTANDEM_PIXELS(INTANDEM_DECLARE)
  for (std::int64_t r = 0; r < t.rows; ++r) {
    const float *low = t.low + r * t.row_stride, *high = t.high + r * t.row_stride;
    std::int64_t left = t.length;
    for (; left >= 4; left -= 4) {
      INTANDEM_STEP(0)
      INTANDEM_STEP(1)
      INTANDEM_STEP(2)
      INTANDEM_STEP(3)
      low += 4;
      high += 4;
      b += 4 * kChannels;
    }
    for (; left > 0; --left) {
      INTANDEM_STEP(0)
      ++low;
      ++high;
      b += kChannels;
    }
  }
  const __m256i mask0 = lane_mask(channels), mask1 = lane_mask(channels - 8);
  INTANDEM_PIXELS(INTANDEM_STORE)
}

using Tile = void (*)(const RowTile&, int);
#define INTANDEM_TILE(i) tile<i + 1>,
constexpr Tile kTiles[kMaxPixels] = {INTANDEM_PIXELS(INTANDEM_TILE)};

void run_tile(const RowTile& t, int pixels, int channels) { kTiles[pixels - 1](t, channels); }

}  // namespace

const RowKernels kRowKernels_avx2 = {kMaxPixels, kChannels, run_tile};

}  // namespace intandem
#endif
