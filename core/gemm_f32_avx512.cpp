// 14×32 register tile for AVX-512: 28 accumulators, two registers of B and one broadcast of A.
#include "core/gemm_kernels.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kRows = 14, kCols = 32;

// Accumulators are named variables because GCC 12 spills arrays of them, and the multiply-add is
// spelled out because GCC 12 otherwise rotates all of them through register copies, which costs
// 7 % of the peak. A step is 28 FMAs in 14 cycles. Broadcasting every element of A to a register
// takes 14 instructions more, every FMA reading it from memory 14 loads more; where the core is
// shared with a hyperthread of somebody else either is too much. So two rows of three read memory:
// 35 instructions with 25 loads, where the two ports for loads could do 28. B streams from the
// second-level cache, which hardware prefetchers follow: requests of our own cost 1 %.
#define INTANDEM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define INTANDEM_DECLARE(i) __m512 x##i = _mm512_setzero_ps(), y##i = x##i;
#define INTANDEM_ADD_PRODUCT(sum, u, v) \
  asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(u), "v"(v))
#define INTANDEM_ADD_PRODUCT_MEMORY(sum, element, v) \
  asm volatile("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(v), "m"(element))
#define INTANDEM_FMA(i)                                                         \
  if constexpr (kTileRows > i && i % 3 != 0) {                                  \
    const float& element = a[i * kRowStride + step * kStep];                    \
    INTANDEM_ADD_PRODUCT_MEMORY(x##i, element, b0);                             \
    if constexpr (kVectors > 1) INTANDEM_ADD_PRODUCT_MEMORY(y##i, element, b1); \
  } else if constexpr (kTileRows > i) {                                         \
    const __m512 v = _mm512_set1_ps(a[i * kRowStride + step * kStep]);          \
    INTANDEM_ADD_PRODUCT(x##i, v, b0);                                          \
    if constexpr (kVectors > 1) INTANDEM_ADD_PRODUCT(y##i, v, b1);              \
  }
#define INTANDEM_STEP(s)                                                      \
  {                                                                           \
    constexpr int step = s;                                                   \
    const __m512 b0 = _mm512_load_ps(b + s * kCols);                          \
    const __m512 b1 = kVectors > 1 ? _mm512_load_ps(b + s * kCols + 16) : b0; \
    INTANDEM_ROWS(INTANDEM_FMA)                                               \
    asm volatile("" ::: "memory");                                            \
  }
#define INTANDEM_FETCH_C(i)                                        \
  if constexpr (kTileRows > i) {                                   \
    _mm_prefetch(c + i * ldc, _MM_HINT_T0);                        \
    if (kVectors > 1) _mm_prefetch(c + i * ldc + 16, _MM_HINT_T0); \
  }
#define INTANDEM_STORE(i)                                                           \
  if constexpr (kTileRows > i) {                                                    \
    float* row = c + i * ldc;                                                       \
    if constexpr (kVectors > 1) {                                                   \
      if (accumulate) {                                                             \
        x##i = _mm512_add_ps(_mm512_loadu_ps(row), x##i);                           \
        y##i = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, row + 16), y##i);          \
      }                                                                             \
      _mm512_storeu_ps(row, x##i);                                                  \
      _mm512_mask_storeu_ps(row + 16, mask, y##i);                                  \
    } else {                                                                        \
      if (accumulate) x##i = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, row), x##i); \
      _mm512_mask_storeu_ps(row, mask, x##i);                                       \
    }                                                                               \
  }

// `mask` selects the valid columns of the last of kVectors registers.
template <int kTileRows, int kVectors, int kRowStride, int kStep>
void tile(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc,
          __mmask16 mask, bool accumulate, const Prefetch& ahead) {
  const float* next = ahead.first;
  const std::int64_t step_ahead = ahead.step, second = ahead.second;
  INTANDEM_ROWS(INTANDEM_FETCH_C)
  INTANDEM_ROWS(INTANDEM_DECLARE)
  for (; k >= 4; k -= 4) {
    INTANDEM_STEP(0)
    INTANDEM_STEP(1)
    INTANDEM_STEP(2)
    INTANDEM_STEP(3)
    _mm_prefetch(next, _MM_HINT_T1);
    _mm_prefetch(next + second, _MM_HINT_T1);
    next += step_ahead;
    a += 4 * kStep;
    b += 4 * kCols;
  }
  for (; k > 0; --k) {
    INTANDEM_STEP(0)
    a += kStep;
    b += kCols;
  }
  INTANDEM_ROWS(INTANDEM_STORE)
}

using Tile = void (*)(std::int64_t, const float*, const float*, float*, std::int64_t, __mmask16,
                      bool, const Prefetch&);

// [vectors − 1][rows − 1]
#define INTANDEM_ROW_TILE(i) tile<i + 1, kTileVectors, kRowStride, kStep>,
template <int kTileVectors, int kRowStride, int kStep>
constexpr Tile kTiles[kRows] = {INTANDEM_ROWS(INTANDEM_ROW_TILE)};

template <int kRowStride, int kStep>
void run_tile(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc, int mr,
              int nr, bool accumulate, const Prefetch& ahead) {
  if (nr > 16) {
    const auto mask = static_cast<__mmask16>(0xffffu >> (32 - nr));
    kTiles<2, kRowStride, kStep>[mr - 1](k, a, b, c, ldc, mask, accumulate, ahead);
  } else {
    const auto mask = static_cast<__mmask16>(0xffffu >> (16 - nr));
    kTiles<1, kRowStride, kStep>[mr - 1](k, a, b, c, ldc, mask, accumulate, ahead);
  }
}

void copy_block(float* dst, std::int64_t dst_stride, const float* src, std::int64_t src_stride,
                std::int64_t rows, std::int64_t width) {
  const std::int64_t whole = width & ~std::int64_t{15};
  const auto mask = static_cast<__mmask16>((1u << (width - whole)) - 1u);
  for (; rows > 0; --rows) {
    std::int64_t j = 0;
    for (; j + 32 <= whole; j += 32) {
      const __m512 v0 = _mm512_loadu_ps(src + j), v1 = _mm512_loadu_ps(src + j + 16);
      _mm512_storeu_ps(dst + j, v0);
      _mm512_storeu_ps(dst + j + 16, v1);
    }
    if (j < whole) {
      _mm512_storeu_ps(dst + j, _mm512_loadu_ps(src + j));
      j += 16;
    }
    if (mask != 0) _mm512_mask_storeu_ps(dst + j, mask, _mm512_maskz_loadu_ps(mask, src + j));
    dst += dst_stride;
    src += src_stride;
  }
}

// 16 rows of `depth` floats (rows ≥ count read as zero) to depth rows of 16: 4×4 transposes inside
// the 128-bit lanes, then two rounds of lane shuffles.
void transpose_half(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                    int count) {
  for (std::int64_t p = 0; p < depth; p += 16) {
    const std::int64_t left = depth - p;
    const auto mask = left >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << left) - 1u);
    __m512 r[16], t[16];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      r[j] =
          j < count ? _mm512_maskz_loadu_ps(mask, src + j * src_stride + p) : _mm512_setzero_ps();
    }
#pragma GCC unroll 4
    for (int g = 0; g < 16; g += 4) {
      const __m512 lo01 = _mm512_unpacklo_ps(r[g], r[g + 1]);
      const __m512 hi01 = _mm512_unpackhi_ps(r[g], r[g + 1]);
      const __m512 lo23 = _mm512_unpacklo_ps(r[g + 2], r[g + 3]);
      const __m512 hi23 = _mm512_unpackhi_ps(r[g + 2], r[g + 3]);
      t[g] = _mm512_shuffle_ps(lo01, lo23, 0x44);
      t[g + 1] = _mm512_shuffle_ps(lo01, lo23, 0xee);
      t[g + 2] = _mm512_shuffle_ps(hi01, hi23, 0x44);
      t[g + 3] = _mm512_shuffle_ps(hi01, hi23, 0xee);
    }
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      const __m512 a = _mm512_shuffle_f32x4(t[g], t[g + 4], 0x44);
      const __m512 b = _mm512_shuffle_f32x4(t[g], t[g + 4], 0xee);
      const __m512 c = _mm512_shuffle_f32x4(t[g + 8], t[g + 12], 0x44);
      const __m512 d = _mm512_shuffle_f32x4(t[g + 8], t[g + 12], 0xee);
      r[g] = _mm512_shuffle_f32x4(a, c, 0x88);
      r[g + 4] = _mm512_shuffle_f32x4(a, c, 0xdd);
      r[g + 8] = _mm512_shuffle_f32x4(b, d, 0x88);
      r[g + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    if (left >= 16) {
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) _mm512_store_ps(dst + (p + j) * kCols, r[j]);
    } else {
      for (int j = 0; j < left; ++j) _mm512_store_ps(dst + (p + j) * kCols, r[j]);
    }
  }
}

void transpose_panel(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                     int count) {
  transpose_half(dst, src, src_stride, depth, count);
  transpose_half(dst + 16, src + 16 * src_stride, src_stride, depth, count - 16);
}

}  // namespace

const GemmKernels kGemmKernels_avx512 = {
    kRows, kCols, run_tile<kRowPanelStride, 1>, run_tile<1, kRows>, copy_block, transpose_panel};

}  // namespace intandem
#endif
