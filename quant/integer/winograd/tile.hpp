// The tiles of the exact fast convolution in two dimensions: which products a tile takes, of which
// sums of its inputs and of the taps, and what each adds to an output (docs/winograd.md, F2).
#pragma once

#include "quant/integer/winograd/math.hpp"

namespace intandem {

/// Product i of a tile, row by row, is product i / h.products of the vertical correlation times
/// product i % h.products of the horizontal one:
///
///     2^shift · y[o][p] = Σ_i output(i, o, p) · U_i · V_i,   V_i = Σ_yx input(i, y, x) · d[y][x]
///
/// with U_i that of position(i), from transform_taps. Positions are in ascending order.
struct TileCorrelation {
  const FastCorrelation &v, &h;

  constexpr int products() const { return v.products * h.products; }
  constexpr int shift() const { return v.shift + h.shift; }
  constexpr int position(int i) const {
    return v.position[i / h.products] * kPositions1d + h.position[i % h.products];
  }
  constexpr int input(int i, int y, int x) const {
    return v.input[i / h.products][y] * h.input[i % h.products][x];
  }
  constexpr int output(int i, int o, int p) const {
    return v.output[o][i / h.products] * h.output[p][i % h.products];
  }
};

/// Sizes of 4, 2 or 1; of stride 2 (strided) 3, 2 or 1.
inline TileCorrelation tile_correlation(int outputs_v, int outputs_h, bool strided) {
  return strided ? TileCorrelation{strided_correlation(outputs_v), strided_correlation(outputs_h)}
                 : TileCorrelation{fast_correlation(outputs_v), fast_correlation(outputs_h)};
}

}  // namespace intandem
