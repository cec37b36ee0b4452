#include "quant/integer/winograd/tile.hpp"

namespace intandem {
namespace {

/// The product of row i and column j of two correlations.
constexpr void add_product(TileCorrelation& tile, const FastCorrelation& v,
                           const FastCorrelation& h, int i, int j) {
  const int n = tile.products++;
  tile.position[n] = v.position[i] * kPositions1d + h.position[j];
  for (int y = 0; y < v.inputs; ++y) {
    for (int x = 0; x < h.inputs; ++x) {
      tile.input[n][y][x] = static_cast<std::int8_t>(v.input[i][y] * h.input[j][x]);
    }
  }
  for (int o = 0; o < v.outputs; ++o) {
    for (int p = 0; p < h.outputs; ++p) {
      tile.output[n][o][p] = static_cast<std::int8_t>(v.output[o][i] * h.output[p][j]);
    }
  }
}

constexpr TileCorrelation make_tile(const FastCorrelation& v, const FastCorrelation& h) {
  TileCorrelation tile = {};
  tile.outputs_v = v.outputs;
  tile.outputs_h = h.outputs;
  tile.inputs_v = v.inputs;
  tile.inputs_h = h.inputs;
  tile.shift = v.shift + h.shift;
  for (int i = 0; i < v.products; ++i) {
    for (int j = 0; j < h.products; ++j) add_product(tile, v, h, i, j);
  }
  return tile;
}

/// All sizes of a stride, full ones first.
struct Tiles {
  TileCorrelation of[3][3];
};

constexpr Tiles make_tiles(const FastCorrelation& full, const FastCorrelation& two,
                           const FastCorrelation& one) {
  Tiles tiles = {};
  const FastCorrelation* const sizes[3] = {&full, &two, &one};
  for (int v = 0; v < 3; ++v) {
    for (int h = 0; h < 3; ++h) tiles.of[v][h] = make_tile(*sizes[v], *sizes[h]);
  }
  return tiles;
}

struct Taps {
  std::int8_t at[kPositions2d][9], strided[kPositions2d][9];
};

constexpr Taps make_taps() {
  Taps taps = {};
  for (int r = 0; r < 3; ++r) {
    for (int s = 0; s < 3; ++s) {
      const int t = r * 3 + s;
      for (int p = 0; p < kPositions2d; ++p) {
        taps.at[p][t] = static_cast<std::int8_t>(kTapTransform[p / kPositions1d][r] *
                                                 kTapTransform[p % kPositions1d][s]);
        taps.strided[p][t] = static_cast<std::int8_t>(kStridedTaps[p / kPositions1d][r] *
                                                      kStridedTaps[p % kPositions1d][s]);
      }
    }
  }
  return taps;
}

constexpr Taps kTaps = make_taps();
constexpr Tiles kTiles = make_tiles(kFast4, kFast2, kFast1);
constexpr Tiles kStridedTiles = make_tiles(kStrided3, kStrided2, kStrided1);

}  // namespace

const TileCorrelation& tile_correlation(int outputs_v, int outputs_h, bool strided) {
  const auto index = [](int outputs) { return outputs > 2 ? 0 : outputs == 2 ? 1 : 2; };
  return (strided ? kStridedTiles : kTiles).of[index(outputs_v)][index(outputs_h)];
}

const std::int8_t* position_taps(int position, bool strided) {
  return strided ? kTaps.strided[position] : kTaps.at[position];
}

}  // namespace intandem
