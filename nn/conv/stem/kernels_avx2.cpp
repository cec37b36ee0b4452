// First-layer kernels for AVX2 and FMA: 6 windows or 6 taps × 16 output channels in registers.
#include "nn/conv/stem/stem.hpp"

#if defined(__AVX2__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kRows = 6, kColumns = 16;

// First `n` lanes set, for any n.
__m256i lane_mask(int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
}

// Accumulators are named variables because GCC 12 spills arrays of them.
#define INTANDEM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define INTANDEM_DECLARE(i) __m256 x##i = _mm256_setzero_ps(), y##i = x##i;
#define INTANDEM_FMA(i)                                    \
  if constexpr (kCount > i) {                              \
    const __m256 v = _mm256_broadcast_ss(a + i * kStride); \
    x##i = _mm256_fmadd_ps(v, b0, x##i);                   \
    y##i = _mm256_fmadd_ps(v, b1, y##i);                   \
  }
#define INTANDEM_STORE(i)                                                      \
  if constexpr (kCount > i) {                                                  \
    _mm256_maskstore_ps(out + i * ldy, mask0, _mm256_add_ps(x##i, bias0));     \
    _mm256_maskstore_ps(out + i * ldy + 8, mask1, _mm256_add_ps(y##i, bias1)); \
  }
#define INTANDEM_STREAM(i)                                           \
  if constexpr (kCount > i) {                                        \
    _mm256_stream_ps(out + i * ldy, _mm256_add_ps(x##i, bias0));     \
    _mm256_stream_ps(out + i * ldy + 8, _mm256_add_ps(y##i, bias1)); \
  }
#define INTANDEM_ADD(i)                                             \
  if constexpr (kCount > i) {                                       \
    float* row = dw + i * ldw;                                      \
    x##i = _mm256_add_ps(_mm256_maskload_ps(row, mask0), x##i);     \
    y##i = _mm256_add_ps(_mm256_maskload_ps(row + 8, mask1), y##i); \
    _mm256_maskstore_ps(row, mask0, x##i);                          \
    _mm256_maskstore_ps(row + 8, mask1, y##i);                      \
  }

template <int kStride, int kCount>
void forward_tile(const StemWindows& windows, const float* weights, const float* bias, float* out,
                  std::int64_t ldy, int nr, bool stream) {
  INTANDEM_ROWS(INTANDEM_DECLARE)
  const float* line = windows.image;
  const float* b = weights;
  for (std::int64_t r = windows.R; r > 0; --r, line += windows.line) {
    const float* a = line;
#pragma GCC unroll 3
    for (std::int64_t t = windows.taps; t > 0; --t) {
      const __m256 b0 = _mm256_load_ps(b), b1 = _mm256_load_ps(b + 8);
      INTANDEM_ROWS(INTANDEM_FMA)
      ++a;
      b += kColumns;
    }
  }
  const __m256 bias0 = _mm256_load_ps(bias), bias1 = _mm256_load_ps(bias + 8);
  if (stream) {
    INTANDEM_ROWS(INTANDEM_STREAM)
    return;
  }
  const __m256i mask0 = lane_mask(nr), mask1 = lane_mask(nr - 8);
  INTANDEM_ROWS(INTANDEM_STORE)
}

#define INTANDEM_FORWARD_TILE(i) forward_tile<kStride, i + 1>,
template <int kStride>
StemKernels::Forward pick(int count) {
  constexpr StemKernels::Forward kTiles[kRows] = {INTANDEM_ROWS(INTANDEM_FORWARD_TILE)};
  return kTiles[count - 1];
}

// The distance of windows is part of the instructions: 1, 3 or 4 channels, stride 1, 2 or 4.
StemKernels::Forward forward(std::int64_t step, int count) {
  switch (step) {
    case 1:
      return pick<1>(count);
    case 2:
      return pick<2>(count);
    case 3:
      return pick<3>(count);
    case 4:
      return pick<4>(count);
    case 6:
      return pick<6>(count);
    case 12:
      return pick<12>(count);
    default:
      return nullptr;
  }
}

template <int kCount>
void add_taps(const StemWindows& windows, std::int64_t P, std::int64_t Q, const float* dy,
              std::int64_t ldy, float* dw, std::int64_t ldw, int nr) {
  constexpr int kStride = 1;
  const __m256i mask0 = lane_mask(nr), mask1 = lane_mask(nr - 8);
  INTANDEM_ROWS(INTANDEM_DECLARE)
  const float* line = windows.image;
  const std::int64_t step = windows.step;
  for (; P > 0; --P, line += windows.row_lines) {
    const float* a = line;
    for (std::int64_t q = Q; q > 0; --q) {
      const __m256 b0 = _mm256_maskload_ps(dy, mask0), b1 = _mm256_maskload_ps(dy + 8, mask1);
      INTANDEM_ROWS(INTANDEM_FMA)
      a += step;
      dy += ldy;
    }
  }
  INTANDEM_ROWS(INTANDEM_ADD)
}

void backward_weights(const StemWindows& windows, std::int64_t P, std::int64_t Q, int taps,
                      const float* dy, std::int64_t ldy, float* dw, std::int64_t ldw, int nr) {
#define INTANDEM_ADD_TAPS(i) add_taps<i + 1>,
  using AddTaps = void (*)(const StemWindows&, std::int64_t, std::int64_t, const float*,
                           std::int64_t, float*, std::int64_t, int);
  constexpr AddTaps kAdd[kRows] = {INTANDEM_ROWS(INTANDEM_ADD_TAPS)};
  kAdd[taps - 1](windows, P, Q, dy, ldy, dw, ldw, nr);
}

}  // namespace

const StemKernels kStemKernels_avx2 = {kRows, kColumns, kRows, forward, backward_weights};

}  // namespace intandem
#endif
