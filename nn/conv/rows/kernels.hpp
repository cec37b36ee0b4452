// Register-tile kernels of the convolution by rows, one file per instruction set: the left operand
// is read where it lies, in the image. Plain data and function pointers only
// (docs/float_kernels.md).
#pragma once

#include <cstdint>

namespace intandem {

/// Output pixels × output channels of one register tile. Pixel i of the first `lower` pixels reads
/// its window from low + i·pixel_stride, pixel i of the others from high + (i −
/// lower)·pixel_stride, with lower = (pixels + 1) / 2: two runs of neighbours in any two output
/// rows. A window is `rows` stretches of `length` consecutive floats, row_stride apart.
struct RowTile {
  const float *low, *high;
  std::int64_t pixel_stride;
  std::int64_t rows, length, row_stride;
  /// Weights [rows·length][nr_max], 64-byte aligned, zero beyond the last channel.
  const float* b;
  /// Results of pixel i: c_low + i·ldc, or c_high + (i − lower)·ldc; only written.
  float *c_low, *c_high;
  std::int64_t ldc;
};

/// Every sum starts at zero and runs over the window in order, in fused multiply-adds (separate
/// multiply and add on the reference ISA). 1 ≤ pixels ≤ max_pixels, 1 ≤ channels ≤ nr.
using RowTileKernel = void (*)(const RowTile& tile, int pixels, int channels);

struct RowKernels {
  int max_pixels;  ///< of a tile
  int nr;          ///< channels of a tile; that of GemmKernels, which pack the weights
  RowTileKernel tile;
};

extern const RowKernels kRowKernels_ref;
#if defined(__x86_64__)
extern const RowKernels kRowKernels_avx2;
extern const RowKernels kRowKernels_avx512;
#endif

/// The kernels of active_isa().
const RowKernels& row_kernels();

}  // namespace intandem
