// Tile transforms of the float Winograd convolution, one file per instruction set; the products
// between them are those of nn/conv/rows/kernels.hpp and core/gemm_driver.hpp. Plain data and
// function pointers only (docs/float_kernels.md).
#pragma once

#include <cstdint>

namespace intandem {

/// Outputs of a tile per direction, inputs it reads, and positions (products) per direction.
constexpr int kWinogradOutputs = 4, kWinogradInputs = 6, kWinogradPositions = 7;

/// With the matrices G [7][3], Bᵀ [7][6], A [7][4] of docs/float_kernels.md, "Winograd":
struct WinogradKernels {
  /// Row `row` of Bᵀ d B: v[j·step + c], j < 7, from d[y][x][c] = pixel[y·6 + x][c], c < channels.
  void (*input)(int row, const float* const* pixel, std::int64_t channels, float* v,
                std::int64_t step);
  /// Row `row` of A e Aᵀ: v[j·step + c], j < 7, from e[y][x][c] = pixel[y·4 + x][c], c < channels.
  void (*gradient)(int row, const float* const* pixel, std::int64_t channels, float* v,
                   std::int64_t step);
  /// half[q·half_step + e] = Σ_j A[j][q]·m[j·step + e], q < 4, e < n.
  void (*output_columns)(const float* m, std::int64_t step, float* half, std::int64_t half_step,
                         std::int64_t n);
  /// y[o·row + q·column + e] = bias[e] + Σ_i A[i][o]·half[(i·4 + q)·half_step + e] for o < rows,
  /// q < columns, e < n. bias may be null.
  void (*output_rows)(const float* half, std::int64_t half_step, const float* bias, float* y,
                      std::int64_t row, std::int64_t column, int rows, int columns, std::int64_t n);
  /// u[(i·7 + j)·step + e] = (G g Gᵀ)[i][j] / 16 with g[r][s] = taps[(r·3 + s)·tap_step + e], e <
  /// n.
  void (*filter)(const float* taps, std::int64_t tap_step, float* u, std::int64_t step,
                 std::int64_t n);
  /// dw[(r·3 + s)·tap_step + e] += (Gᵀ m G)[r][s] / 16, m[i][j] = du[(i·7 + j)·step + e], e < n.
  void (*filter_gradient)(const float* du, std::int64_t step, float* dw, std::int64_t tap_step,
                          std::int64_t n);
};

extern const WinogradKernels kWinogradKernels_ref;
#if defined(__x86_64__)
extern const WinogradKernels kWinogradKernels_avx2;
extern const WinogradKernels kWinogradKernels_avx512;
#endif

/// The kernels of active_isa().
const WinogradKernels& winograd_kernels();

}  // namespace intandem
