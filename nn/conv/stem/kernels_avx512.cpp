// First-layer kernels for AVX-512: 14 windows or 14 taps × 32 output channels in registers.
#include "nn/conv/stem/stem.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kRows = 14, kColumns = 32;
// dy comes from memory, a few lines at a time from every page: fetch this many pixels ahead.
constexpr int kPixelsAhead = 24;

// Named accumulators and a spelled-out multiply-add for the reasons given in gemm_f32_avx512.cpp.
#define INTANDEM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define INTANDEM_DECLARE(i) __m512 x##i = _mm512_setzero_ps(), y##i = x##i;
#define INTANDEM_ADD_PRODUCT(sum, u, v) \
  asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(u), "v"(v))
#define INTANDEM_FMA(i)                              \
  if constexpr (kCount > i) {                        \
    const __m512 v = _mm512_set1_ps(a[i * kStride]); \
    INTANDEM_ADD_PRODUCT(x##i, v, b0);               \
    INTANDEM_ADD_PRODUCT(y##i, v, b1);               \
  }
#define INTANDEM_STORE(i)                                                         \
  if constexpr (kCount > i) {                                                     \
    _mm512_mask_storeu_ps(out + i * ldy, mask0, _mm512_add_ps(x##i, bias0));      \
    _mm512_mask_storeu_ps(out + i * ldy + 16, mask1, _mm512_add_ps(y##i, bias1)); \
  }
#define INTANDEM_STREAM(i)                                            \
  if constexpr (kCount > i) {                                         \
    _mm512_stream_ps(out + i * ldy, _mm512_add_ps(x##i, bias0));      \
    _mm512_stream_ps(out + i * ldy + 16, _mm512_add_ps(y##i, bias1)); \
  }
#define INTANDEM_ADD(i)                                                 \
  if constexpr (kCount > i) {                                           \
    float* row = dw + i * ldw;                                          \
    x##i = _mm512_add_ps(_mm512_maskz_loadu_ps(mask0, row), x##i);      \
    y##i = _mm512_add_ps(_mm512_maskz_loadu_ps(mask1, row + 16), y##i); \
    _mm512_mask_storeu_ps(row, mask0, x##i);                            \
    _mm512_mask_storeu_ps(row + 16, mask1, y##i);                       \
  }

// The first `nr` of 32 columns.
struct Masks {
  explicit Masks(int nr)
      : low(static_cast<__mmask16>(nr >= 16 ? 0xffffu : (1u << nr) - 1u)),
        high(static_cast<__mmask16>(nr <= 16 ? 0u : 0xffffu >> (32 - nr))) {}
  __mmask16 low, high;
};

template <int kStride, int kCount>
void forward_tile(const StemWindows& windows, const float* weights, const float* bias, float* out,
                  std::int64_t ldy, int nr, bool stream) {
  const Masks masks(nr);
  const __mmask16 mask0 = masks.low, mask1 = masks.high;
  INTANDEM_ROWS(INTANDEM_DECLARE)
  const float* line = windows.image;
  const float* b = weights;
  for (std::int64_t r = windows.R; r > 0; --r, line += windows.line) {
    const float* a = line;
#pragma GCC unroll 3
    for (std::int64_t t = windows.taps; t > 0; --t) {
      const __m512 b0 = _mm512_load_ps(b), b1 = _mm512_load_ps(b + 16);
      INTANDEM_ROWS(INTANDEM_FMA)
      asm volatile("" ::: "memory");
      ++a;
      b += kColumns;
    }
  }
  const __m512 bias0 = _mm512_load_ps(bias), bias1 = _mm512_load_ps(bias + 16);
  if (stream) {
    INTANDEM_ROWS(INTANDEM_STREAM)
  } else {
    INTANDEM_ROWS(INTANDEM_STORE)
  }
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
  const Masks masks(nr);
  const __mmask16 mask0 = masks.low, mask1 = masks.high;
  INTANDEM_ROWS(INTANDEM_DECLARE)
  const float* line = windows.image;
  const std::int64_t step = windows.step, ahead = kPixelsAhead * ldy;
  for (; P > 0; --P, line += windows.row_lines) {
    const float* a = line;
    for (std::int64_t q = Q; q > 0; --q) {
      const __m512 b0 = _mm512_maskz_loadu_ps(mask0, dy);
      const __m512 b1 = _mm512_maskz_loadu_ps(mask1, dy + 16);
      _mm_prefetch(dy + ahead, _MM_HINT_T0);
      _mm_prefetch(dy + ahead + 16, _MM_HINT_T0);
      INTANDEM_ROWS(INTANDEM_FMA)
      asm volatile("" ::: "memory");
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

const StemKernels kStemKernels_avx512 = {kRows, kColumns, kRows, forward, backward_weights};

}  // namespace intandem
#endif
