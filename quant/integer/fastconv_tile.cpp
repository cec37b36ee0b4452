#include "quant/integer/fastconv_tile.hpp"

#include <initializer_list>

namespace intandem {
namespace {

/// What the inputs of a row and column at the imaginary unit give: the imaginary part is row 5 of
/// Bᵀ, the real one row 3 less that. Of the taps these are rows 4 and 3 of G.
constexpr int real_input(int x) { return kFast4.input[3][x] - kFast4.input[5][x]; }
constexpr int imaginary_input(int x) { return kFast4.input[5][x]; }
constexpr int real_tap(int s) { return kTapTransform[3][s]; }
constexpr int imaginary_tap(int s) { return kTapTransform[4][s]; }

/// A number of four parts, by row and column, where the columns' imaginary unit is the rows' or,
/// minus, its conjugate.
struct Complex {
  int real, imaginary;
};
constexpr Complex join(int rr, int ri, int ir, int ii, bool minus) {
  return minus ? Complex{rr + ii, ir - ri} : Complex{rr - ii, ir + ri};
}

/// The product of row i and column j of two correlations.
constexpr void add_plain(TileCorrelation& tile, const FastCorrelation& v, const FastCorrelation& h,
                         int i, int j) {
  const int n = tile.products++;
  tile.position[n] = v.position[i] * kPositions1d + h.position[j];
  tile.step[n] = i * h.products + j;
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

/// The three products of (a + bi)·(c + di), a + bi of the taps and c + di of the inputs: (a + b)·c,
/// a·(d − c) and b·(c + d); the first minus the third is the real part, the first and the second
/// are the imaginary one. minus: where both imaginary units are not the same but each other's
/// conjugate.
constexpr void add_joined(TileCorrelation& tile, bool minus) {
  const int sign = minus ? -1 : 1;
  const int first = tile.products;
  for (int y = 0; y < kFast4.inputs; ++y) {
    for (int x = 0; x < kFast4.inputs; ++x) {
      const auto [c, d] =
          join(real_input(y) * real_input(x), real_input(y) * imaginary_input(x),
               imaginary_input(y) * real_input(x), imaginary_input(y) * imaginary_input(x), minus);
      tile.input[first][y][x] = static_cast<std::int8_t>(c);
      tile.input[first + 1][y][x] = static_cast<std::int8_t>(d - c);
      tile.input[first + 2][y][x] = static_cast<std::int8_t>(c + d);
    }
  }
  // Outputs 0, 1, 2, 3 of a direction take the real part, minus the imaginary one, minus the real
  // and the imaginary one.
  constexpr int kSign[kTileOutputs] = {1, -1, -1, 1};
  for (int o = 0; o < kTileOutputs; ++o) {
    for (int p = 0; p < kTileOutputs; ++p) {
      const bool row_imaginary = o % 2 != 0, column_imaginary = p % 2 != 0;
      const int part = 2 * kSign[o] * kSign[p];
      int real = 0, imaginary = 0;  // how often the output takes either part of this product
      if (row_imaginary == column_imaginary) {
        real = row_imaginary ? -sign * part : part;
      } else {
        imaginary = row_imaginary ? part : sign * part;
      }
      tile.output[first][o][p] = static_cast<std::int8_t>(real + imaginary);
      tile.output[first + 1][o][p] = static_cast<std::int8_t>(imaginary);
      tile.output[first + 2][o][p] = static_cast<std::int8_t>(-real);
    }
  }
  for (int i = 0; i < 3; ++i) {
    const int n = tile.products++;
    tile.position[n] = joined_position(minus, i);
    tile.step[n] = place_of(tile.position[n]);
  }
}

constexpr TileCorrelation make_tile(const FastCorrelation& v, const FastCorrelation& h,
                                    bool joined = false) {
  TileCorrelation tile = {};
  tile.outputs_v = v.outputs;
  tile.outputs_h = h.outputs;
  tile.inputs_v = v.inputs;
  tile.inputs_h = h.inputs;
  tile.shift = v.shift + h.shift;
  for (int i = 0; i < v.products; ++i) {
    for (int j = 0; j < h.products; ++j) {
      if (!joined || !is_complex(v.position[i]) || !is_complex(h.position[j])) {
        add_plain(tile, v, h, i, j);
      } else if (j == 3 && i < 5) {
        add_joined(tile, i == 4);
      }
    }
  }
  return tile;
}

/// All sizes of a form, full ones first.
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
  std::int8_t at[kPositions2d][9], strided[kPlainPositions][9];
};

constexpr Taps make_taps() {
  Taps taps = {};
  for (int r = 0; r < 3; ++r) {
    for (int s = 0; s < 3; ++s) {
      const int t = r * 3 + s;
      for (int p = 0; p < kPlainPositions; ++p) {
        taps.at[p][t] = static_cast<std::int8_t>(kTapTransform[p / kPositions1d][r] *
                                                 kTapTransform[p % kPositions1d][s]);
        taps.strided[p][t] = static_cast<std::int8_t>(kStridedTaps[p / kPositions1d][r] *
                                                      kStridedTaps[p % kPositions1d][s]);
      }
      for (const bool minus : {false, true}) {
        const auto [a, b] =
            join(real_tap(r) * real_tap(s), real_tap(r) * imaginary_tap(s),
                 imaginary_tap(r) * real_tap(s), imaginary_tap(r) * imaginary_tap(s), minus);
        std::int8_t(*joined)[9] = taps.at + joined_position(minus, 0);
        joined[0][t] = static_cast<std::int8_t>(a + b);
        joined[1][t] = static_cast<std::int8_t>(a);
        joined[2][t] = static_cast<std::int8_t>(b);
      }
    }
  }
  return taps;
}

constexpr Taps kTaps = make_taps();
constexpr Tiles kTiles = make_tiles(kFast4, kFast2, kFast1);
constexpr Tiles kStridedTiles = make_tiles(kStrided3, kStrided2, kStrided1);
constexpr TileCorrelation kJoinedTile = make_tile(kFast4, kFast4, true);

}  // namespace

const TileCorrelation& tile_correlation(int outputs_v, int outputs_h, FastConvForm form) {
  if (form == FastConvForm::joined && outputs_v == 4 && outputs_h == 4) return kJoinedTile;
  const auto index = [](int outputs) { return outputs > 2 ? 0 : outputs == 2 ? 1 : 2; };
  const Tiles& tiles = form == FastConvForm::strided ? kStridedTiles : kTiles;
  return tiles.of[index(outputs_v)][index(outputs_h)];
}

const std::int8_t* position_taps(int position, FastConvForm form) {
  return form == FastConvForm::strided ? kTaps.strided[position] : kTaps.at[position];
}

}  // namespace intandem
