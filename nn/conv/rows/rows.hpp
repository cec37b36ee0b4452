// Convolution by rows: windows are read where they lie in the image, nothing is gathered. The way
// for few output channels, where packing an im2col panel costs as much as multiplying it.
#pragma once

#include <cstdint>

#include "core/gemm_driver.hpp"
#include "nn/conv/windows.hpp"

namespace intandem {

/// For pixel (n, p, q) and channel k < channels:
///   c[n·image_step + p·row_step + q·pixel_step + k] = Σ_t window(n, p, q)[t] · B[t][k] + bias[k],
/// window and taps t as in WindowGrid, B and its columns given by `b` (Role b). bias may be null.
struct RowConvolution {
  WindowGrid grid;
  std::int64_t N = 0, channels = 0;
  const PanelSource* b = nullptr;
  const float* bias = nullptr;
  float* c = nullptr;
  std::int64_t image_step = 0, row_step = 0, pixel_step = 0;
};

/// Whether convolve_by_rows is expected to beat the matrix product. Depends on the shapes alone.
bool rows_pay(const WindowGrid& grid, std::int64_t channels);

/// The sum of an output runs over its window in order, without blocks; it depends neither on the
/// number of threads nor on the other images.
void convolve_by_rows(const RowConvolution& problem);

}  // namespace intandem
