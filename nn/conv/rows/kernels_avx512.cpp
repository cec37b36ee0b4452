// Convolution by rows with AVX-512: 14 pixels × 32 channels, the register tile of the matrix
// product (core/gemm_f32_avx512.cpp) without a packed left operand. Per step of the window: 28
// multiply-adds, 14 broadcasts from the image and 2 loads of weights, in 14 cycles.
#include "nn/conv/rows/kernels.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kMaxPixels = 14, kChannels = 32;
// Weights stream from the second-level cache: fetch this many steps ahead.
constexpr int kPrefetchSteps = 16;

// Accumulators are named, and the multiply-add is spelled out, for the reasons given in
// core/gemm_f32_avx512.cpp. Seven pixels of a run are a base plus 0, 1, 2, 4 times the stride, 1
// and 2 times its triple and once its quintuple, all of which are addressing modes.
#define INTANDEM_PIXELS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define INTANDEM_DECLARE(i) __m512 x##i = _mm512_setzero_ps(), y##i = x##i;
#define INTANDEM_ADD_PRODUCT(sum, u, v) \
  asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(u), "v"(v))
#define INTANDEM_FMA(i)                                                                 \
  if constexpr (kPixels > i) {                                                          \
    constexpr int within = i < kLower ? i : i - kLower;                                 \
    const char* base = i < kLower ? low : high;                                         \
    const __m512 v = _mm512_set1_ps(at<within>(base, stride, triple, quintuple)[step]); \
    INTANDEM_ADD_PRODUCT(x##i, v, b0);                                                  \
    if constexpr (kVectors > 1) INTANDEM_ADD_PRODUCT(y##i, v, b1);                      \
  }
#define INTANDEM_STEP(s)                                                                    \
  {                                                                                         \
    constexpr int step = s;                                                                 \
    const __m512 b0 = _mm512_load_ps(b + s * kChannels);                                    \
    const __m512 b1 = kVectors > 1 ? _mm512_load_ps(b + s * kChannels + 16) : b0;           \
    _mm_prefetch(b + (s + kPrefetchSteps) * kChannels, _MM_HINT_T0);                        \
    if (kVectors > 1) _mm_prefetch(b + (s + kPrefetchSteps) * kChannels + 16, _MM_HINT_T0); \
    INTANDEM_PIXELS(INTANDEM_FMA)                                                           \
    asm volatile("" ::: "memory");                                                          \
  }
#define INTANDEM_STORE(i)                                                            \
  if constexpr (kPixels > i) {                                                       \
    float* row = i < kLower ? t.c_low + i * t.ldc : t.c_high + (i - kLower) * t.ldc; \
    if constexpr (kVectors > 1) {                                                    \
      _mm512_storeu_ps(row, x##i);                                                   \
      _mm512_mask_storeu_ps(row + 16, mask, y##i);                                   \
    } else {                                                                         \
      _mm512_mask_storeu_ps(row, mask, x##i);                                        \
    }                                                                                \
  }

template <int kWithin>
[[gnu::always_inline]] inline const float* at(const char* base, std::int64_t stride,
                                              std::int64_t triple, std::int64_t quintuple) {
  const char* address = base + kWithin * stride;
  if constexpr (kWithin == 5) address = base + quintuple;
  if constexpr (kWithin % 3 == 0) address = base + kWithin / 3 * triple;
  return reinterpret_cast<const float*>(address);
}

// `mask` selects the valid channels of the last of kVectors registers.
template <int kPixels, int kVectors>
void tile(const RowTile& t, __mmask16 mask) {
  constexpr int kLower = (kPixels + 1) / 2;
  const std::int64_t stride = t.pixel_stride * std::int64_t{sizeof(float)};
  std::int64_t triple = 3 * stride, quintuple = 5 * stride;
  asm("" : "+r"(triple), "+r"(quintuple));  // or they are computed again for every load
  const float* b = t.b;
  INTANDEM_PIXELS(INTANDEM_DECLARE)
  for (std::int64_t r = 0; r < t.rows; ++r) {
    const char* low = reinterpret_cast<const char*>(t.low + r * t.row_stride);
    const char* high = reinterpret_cast<const char*>(t.high + r * t.row_stride);
    std::int64_t left = t.length;
    for (; left >= 4; left -= 4) {
      INTANDEM_STEP(0)
      INTANDEM_STEP(1)
      INTANDEM_STEP(2)
      INTANDEM_STEP(3)
      low += 4 * sizeof(float);
      high += 4 * sizeof(float);
      b += 4 * kChannels;
    }
    for (; left > 0; --left) {
      INTANDEM_STEP(0)
      low += sizeof(float);
      high += sizeof(float);
      b += kChannels;
    }
  }
  INTANDEM_PIXELS(INTANDEM_STORE)
}

using Tile = void (*)(const RowTile&, __mmask16);
#define INTANDEM_TILE(i) tile<i + 1, kVectors>,
template <int kVectors>
constexpr Tile kTiles[kMaxPixels] = {INTANDEM_PIXELS(INTANDEM_TILE)};

void run_tile(const RowTile& t, int pixels, int channels) {
  if (channels > 16) {
    kTiles<2>[pixels - 1](t, static_cast<__mmask16>(0xffffu >> (32 - channels)));
  } else {
    kTiles<1>[pixels - 1](t, static_cast<__mmask16>(0xffffu >> (16 - channels)));
  }
}

}  // namespace

const RowKernels kRowKernels_avx512 = {kMaxPixels, kChannels, run_tile};

}  // namespace intandem
#endif
