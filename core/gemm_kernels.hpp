// Contract between the float GEMM driver and its per-ISA register-tile kernels. Plain data and
// function pointers only: the ISA files are compiled with their own -m flags
// (docs/float_kernels.md).
#pragma once

#include <cstdint>

namespace intandem {

/// Reduction steps packed at a time. A row panel of the widest tile (14 rows) then takes 28 KiB of
/// the first-level cache and is reused for every column of C.
constexpr int kMaxDepth = 512;
/// The same where A is gathered by columns, line by line: its rows should stay cached until the
/// last panel is packed, so fewer steps, and more columns of C in return.
constexpr int kMaxColumnDepth = 192;
constexpr int kLineFloats = 16;  ///< floats of a cache line
/// From row to row of a row panel. A line more than a power of two: rows of fewer steps would
/// otherwise share a part of the cache's sets.
constexpr int kRowPanelStride = kMaxDepth + kLineFloats;

/// What a tile asks the second-level cache for while it computes, one request every four steps, so
/// that the misses of the next panel of A hide behind the current one: first + i·step and
/// first + i·step + second for i < k / 4. Any address will do; it is never read.
struct Prefetch {
  const float* first;
  std::int64_t step, second;
};

/// c[i][j] (+)= Σ_{p<k} A(i,p)·b[p·nr_max + j] for i < mr, j < nr; overwrites unless `accumulate`.
/// Each sum starts at zero and runs over ascending p in fused multiply-adds (separate multiply and
/// add on the reference ISA); c is added last. Elements beyond mr and nr are not touched.
/// b is 64-byte aligned and zero-padded to nr_max columns; 1 ≤ mr ≤ mr_max, 1 ≤ nr ≤ nr_max.
using TileKernel = void (*)(std::int64_t k, const float* a, const float* b, float* c,
                            std::int64_t ldc, int mr, int nr, bool accumulate,
                            const Prefetch& ahead);

struct GemmKernels {
  int mr;  ///< mr_max: rows of the register tile
  int nr;  ///< nr_max: columns of the register tile
  /// A(i,p) = a[i·kRowPanelStride + p]: packed by copying rows (convolution, untransposed A).
  TileKernel row_panel;
  /// A(i,p) = a[p·mr + i]: packed by copying columns (transposed A, weight gradients).
  TileKernel column_panel;
  /// dst[i·dst_stride + j] = src[i·src_stride + j] for i < rows, j < width.
  void (*copy_block)(float* dst, std::int64_t dst_stride, const float* src, std::int64_t src_stride,
                     std::int64_t rows, std::int64_t width);
  /// dst[p·nr + j] = src[j·src_stride + p] for p < depth, j < count; 0 for count ≤ j < nr.
  void (*transpose_panel)(float* dst, const float* src, std::int64_t src_stride, std::int64_t depth,
                          int count);
};

extern const GemmKernels kGemmKernels_ref;
#if defined(__x86_64__)
extern const GemmKernels kGemmKernels_avx2;
extern const GemmKernels kGemmKernels_avx512;
#endif

/// The kernels of active_isa().
const GemmKernels& gemm_kernels();

}  // namespace intandem
