// The tiles of the exact fast convolution in two dimensions: which products a tile takes, of which
// sums of its inputs and of the taps, and what each adds to an output (docs/kernels.md, F2 and F9).
#pragma once

#include <cstdint>

#include "quant/integer/fastconv_math.hpp"

namespace intandem {

/// 2^shift · y[o][p] = Σ_i output[i][o][p] · U_i · V_i,  V_i = Σ_yx input[i][y][x] · d[y][x],
/// U_i = Σ_rs T[r][s] · g[r][s] with T the position_taps(position[i]).
struct TileCorrelation {
  int outputs_v, outputs_h, inputs_v, inputs_h;
  int products, shift;
  /// In the order in which products are computed; and how many steps from the first position the
  /// values and products of each lie, if all positions lie equal steps apart.
  int position[kPlainPositions], step[kPlainPositions];
  std::int8_t input[kPlainPositions][kTileInputs][kTileInputs];
  std::int8_t output[kPlainPositions][kTileOutputs][kTileOutputs];
};

/// Sizes of 4, 2 or 1, strided 3, 2 or 1. Joined tiles of 4×4 outputs have 46 products instead of
/// 49; other sizes have no positions that could be joined.
const TileCorrelation& tile_correlation(int outputs_v, int outputs_h, FastConvForm form);

/// 3×3 entries, row by row.
const std::int8_t* position_taps(int position, FastConvForm form);

}  // namespace intandem
