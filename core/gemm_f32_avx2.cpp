// 6×16 register tile for AVX2 and FMA: 12 accumulators, two registers of B, one broadcast of A.
#include "core/gemm_kernels.hpp"

#if defined(__AVX2__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr int kRows = 6, kCols = 16;
// B streams from the second-level cache: fetch this many reduction steps ahead.
constexpr int kPrefetchSteps = 16;

// First `n` lanes set (0 ≤ n ≤ 8).
__m256i lane_mask(std::int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

// Accumulators are named variables because GCC 12 spills arrays of them.
#define INTANDEM_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define INTANDEM_DECLARE(i) __m256 x##i = _mm256_setzero_ps(), y##i = x##i;
#define INTANDEM_FMA(i)                                                      \
  if constexpr (kTileRows > i) {                                             \
    const __m256 v = _mm256_broadcast_ss(a + i * kRowStride + step * kStep); \
    x##i = _mm256_fmadd_ps(v, b0, x##i);                                     \
    y##i = _mm256_fmadd_ps(v, b1, y##i);                                     \
  }
#define INTANDEM_STEP(s)                                         \
  {                                                              \
    constexpr int step = s;                                      \
    const __m256 b0 = _mm256_load_ps(b + s * kCols);             \
    const __m256 b1 = _mm256_load_ps(b + s * kCols + 8);         \
    _mm_prefetch(b + (s + kPrefetchSteps) * kCols, _MM_HINT_T0); \
    INTANDEM_ROWS(INTANDEM_FMA)                                  \
  }
#define INTANDEM_STORE(i)                                               \
  if constexpr (kTileRows > i) {                                        \
    float* row = c + i * ldc;                                           \
    if (nr == kCols) {                                                  \
      if (accumulate) {                                                 \
        x##i = _mm256_add_ps(_mm256_loadu_ps(row), x##i);               \
        y##i = _mm256_add_ps(_mm256_loadu_ps(row + 8), y##i);           \
      }                                                                 \
      _mm256_storeu_ps(row, x##i);                                      \
      _mm256_storeu_ps(row + 8, y##i);                                  \
    } else {                                                            \
      if (accumulate) {                                                 \
        x##i = _mm256_add_ps(_mm256_maskload_ps(row, mask0), x##i);     \
        y##i = _mm256_add_ps(_mm256_maskload_ps(row + 8, mask1), y##i); \
      }                                                                 \
      _mm256_maskstore_ps(row, mask0, x##i);                            \
      _mm256_maskstore_ps(row + 8, mask1, y##i);                        \
    }                                                                   \
  }

template <int kTileRows, int kRowStride, int kStep>
void tile(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc, int nr,
          bool accumulate, const Prefetch& ahead) {
  const float* next = ahead.first;
  const std::int64_t step_ahead = ahead.step, second = ahead.second;
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
  const __m256i mask0 = lane_mask(nr), mask1 = lane_mask(nr - 8);
  INTANDEM_ROWS(INTANDEM_STORE)
}

using Tile = void (*)(std::int64_t, const float*, const float*, float*, std::int64_t, int, bool,
                      const Prefetch&);

#define INTANDEM_ROW_TILE(i) tile<i + 1, kRowStride, kStep>,
template <int kRowStride, int kStep>
constexpr Tile kTiles[kRows] = {INTANDEM_ROWS(INTANDEM_ROW_TILE)};

template <int kRowStride, int kStep>
void run_tile(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc, int mr,
              int nr, bool accumulate, const Prefetch& ahead) {
  kTiles<kRowStride, kStep>[mr - 1](k, a, b, c, ldc, nr, accumulate, ahead);
}

void copy_block(float* dst, std::int64_t dst_stride, const float* src, std::int64_t src_stride,
                std::int64_t rows, std::int64_t width) {
  const std::int64_t whole = width & ~std::int64_t{7};
  const __m256i mask = lane_mask(width - whole);
  for (; rows > 0; --rows) {
    for (std::int64_t j = 0; j < whole; j += 8) {
      _mm256_storeu_ps(dst + j, _mm256_loadu_ps(src + j));
    }
    if (whole < width) {
      _mm256_maskstore_ps(dst + whole, mask, _mm256_maskload_ps(src + whole, mask));
    }
    dst += dst_stride;
    src += src_stride;
  }
}

// 8 rows of `depth` floats (rows ≥ count read as zero) to depth rows of 8.
void transpose_half(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                    int count) {
  for (std::int64_t p = 0; p < depth; p += 8) {
    const std::int64_t left = depth - p;
    const __m256i mask = lane_mask(left < 8 ? left : 8);
    __m256 r[8], t[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      r[j] = j < count ? _mm256_maskload_ps(src + j * src_stride + p, mask) : _mm256_setzero_ps();
    }
#pragma GCC unroll 2
    for (int g = 0; g < 8; g += 4) {
      const __m256 lo01 = _mm256_unpacklo_ps(r[g], r[g + 1]);
      const __m256 hi01 = _mm256_unpackhi_ps(r[g], r[g + 1]);
      const __m256 lo23 = _mm256_unpacklo_ps(r[g + 2], r[g + 3]);
      const __m256 hi23 = _mm256_unpackhi_ps(r[g + 2], r[g + 3]);
      t[g] = _mm256_shuffle_ps(lo01, lo23, 0x44);
      t[g + 1] = _mm256_shuffle_ps(lo01, lo23, 0xee);
      t[g + 2] = _mm256_shuffle_ps(hi01, hi23, 0x44);
      t[g + 3] = _mm256_shuffle_ps(hi01, hi23, 0xee);
    }
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      r[g] = _mm256_permute2f128_ps(t[g], t[g + 4], 0x20);
      r[g + 4] = _mm256_permute2f128_ps(t[g], t[g + 4], 0x31);
    }
    if (left >= 8) {
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) _mm256_store_ps(dst + (p + j) * kCols, r[j]);
    } else {
      for (int j = 0; j < left; ++j) _mm256_store_ps(dst + (p + j) * kCols, r[j]);
    }
  }
}

void transpose_panel(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                     int count) {
  transpose_half(dst, src, src_stride, depth, count);
  transpose_half(dst + 8, src + 8 * src_stride, src_stride, depth, count - 8);
}

}  // namespace

const GemmKernels kGemmKernels_avx2 = {
    kRows, kCols, run_tile<kRowPanelStride, 1>, run_tile<1, kRows>, copy_block, transpose_panel};

}  // namespace intandem
#endif
