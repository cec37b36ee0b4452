// The tiles of the exact fast convolution in two dimensions: which products a tile takes, of which
// sums of its inputs and of the taps, and what each adds to an output (docs/winograd.md).
#pragma once

#include <cstdint>

#include "quant/integer/winograd/math.hpp"

namespace intandem {

/// 2^shift · y[o][p] = Σ_i output[i][o][p] · U_i · V_i,  V_i = Σ_yx input[i][y][x] · d[y][x],
/// U_i = Σ_rs T[r][s] · g[r][s] with T the position_taps(position[i]).
struct TileCorrelation {
  int outputs_v, outputs_h, inputs_v, inputs_h;
  int products, shift;
  int position[kPositions2d];  ///< in ascending order
  std::int8_t input[kPositions2d][kTileInputs][kTileInputs];
  std::int8_t output[kPositions2d][kTileOutputs][kTileOutputs];
};

/// Sizes of 4, 2 or 1; of stride 2 (strided) 3, 2 or 1.
const TileCorrelation& tile_correlation(int outputs_v, int outputs_h, bool strided);

/// 3×3 entries, row by row.
const std::int8_t* position_taps(int position, bool strided);

}  // namespace intandem
