// The register tile in plain loops: what every other ISA's kernel computes.
#include "core/gemm_kernels.hpp"

namespace intandem {
namespace {

constexpr int kRows = 4, kCols = 8;

// The extents are template arguments so that the compiler keeps `sum` in registers.
template <int kTileRows, int kRowStride, int kStep>
void rows(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc, int nr,
          bool accumulate) {
  float sum[kTileRows][kCols] = {};
  for (std::int64_t p = 0; p < k; ++p) {
    // Left alone, g++ 12 vectorizes along p with in-order reductions: six times slower than along
    // j.
    asm volatile("");
    for (int i = 0; i < kTileRows; ++i) {
      for (int j = 0; j < kCols; ++j) sum[i][j] += a[i * kRowStride + p * kStep] * b[p * kCols + j];
    }
  }
  for (int i = 0; i < kTileRows; ++i) {
    for (int j = 0; j < nr; ++j) {
      c[i * ldc + j] = accumulate ? c[i * ldc + j] + sum[i][j] : sum[i][j];
    }
  }
}

template <int kRowStride, int kStep>
void tile(std::int64_t k, const float* a, const float* b, float* c, std::int64_t ldc, int mr,
          int nr, bool accumulate, const Prefetch&) {
  if (mr == kRows) return rows<kRows, kRowStride, kStep>(k, a, b, c, ldc, nr, accumulate);
  for (int i = 0; i < mr; ++i) {
    rows<1, kRowStride, kStep>(k, a + i * kRowStride, b, c + i * ldc, ldc, nr, accumulate);
  }
}

void copy_block(float* dst, std::int64_t dst_stride, const float* src, std::int64_t src_stride,
                std::int64_t rows, std::int64_t width) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < width; ++j) dst[i * dst_stride + j] = src[i * src_stride + j];
  }
}

void transpose_panel(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                     int count) {
  for (std::int64_t p = 0; p < depth; ++p) {
    for (int j = 0; j < kCols; ++j) {
      dst[p * kCols + j] = j < count ? src[j * src_stride + p] : 0.0f;
    }
  }
}

}  // namespace

const GemmKernels kGemmKernels_ref = {kRows,          kCols,      tile<kRowPanelStride, 1>,
                                      tile<1, kRows>, copy_block, transpose_panel};

}  // namespace intandem
