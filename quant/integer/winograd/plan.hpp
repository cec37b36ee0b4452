// Everything about an exact fast convolution that is decided before it runs: whether it is exact
// for this layer, the tiling, the transformed and packed weights. Equations: docs/winograd.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/winograd/kernels.hpp"
#include "quant/integer/winograd/tile.hpp"

namespace intandem {

/// Tiles come in four sizes: full, shorter, narrower, both (1 and 2 are bits).
constexpr int kTileSizes = 4;

/// One dimension of the output cut into tiles of `main` outputs, the last one of `rest` if the
/// extent leaves a remainder that a smaller tile covers with fewer products (F5); rest = main else.
struct WinogradAxis {
  std::int64_t tiles = 0;
  int main = 4, rest = 4;

  int outputs(std::int64_t i) const { return i == tiles - 1 ? rest : main; }
  /// How many are of `rest` outputs, if those are fewer, or of `main`.
  std::int64_t count(bool shorter) const {
    const std::int64_t last = rest != main ? 1 : 0;
    return shorter ? last : tiles - last;
  }
};
/// tile: 4, 2 or, of stride 2, 3. A remainder of 1 or 2 gets its own tile with 4 and 3, any other
/// is padded.
WinogradAxis cut_axis(std::int64_t outputs, int tile);

/// Smallest and largest V = Bᵀ d B at a position for input codes 0 … in_max (F3), over the tile
/// sizes that may occur with main tile `tile`.
struct ValueRange {
  std::int64_t low = 0, high = 0;
};
ValueRange value_range(int tile, int position, std::int64_t in_max);

/// U of one 3×3 filter, taps row by row → one per position (49).
void transform_taps(const std::int8_t* taps, bool strided, std::int32_t* u);

/// A part of up to 3×3 taps of a kernel (F6). Where it has only two rows (columns), its U are zero
/// at the positions of the point ∞ of that direction, and it has no share in them.
struct WinogradPiece {
  std::int64_t y, x;  ///< first tap
  int rows, columns;  ///< 3 or 2

  bool has(int position) const {
    return (position / kPositions1d < kInfinity || rows == 3) &&
           (position % kPositions1d < kInfinity || columns == 3);
  }
};
/// The pieces of a square kernel of 3 or 5 taps each way, in an order in which those that share a
/// position are neighbours; none for other sizes.
std::vector<WinogradPiece> cut_kernel(std::int64_t taps);

/// Rounds up to an odd number of cache lines: up to 64 streams that far apart never compete for one
/// set of the first-level cache.
inline std::int64_t odd_lines(std::int64_t bytes) { return ((bytes + 63) / 64 | 1) * 64; }

/// A layer made ready for one tile size.
struct WinogradPlan {
  int tile = 4;
  WinogradAxis vertical, horizontal;
  std::vector<WinogradPiece> pieces;
  std::int64_t quads = 0;         ///< as WinogradProduct::quads
  std::int64_t value_stride = 0;  ///< rounded up to 64: bytes of a position of a tile and piece
  bool strided = false;           ///< stride 2
  std::vector<int> positions;     ///< those of a full tile: 49 for tile 4, 16 for 2, 49 for 3
  int first_piece[kPositions2d] = {}, piece_count[kPositions2d] = {};  ///< that share a position
  /// Where the weights of a position begin: one plane for each piece that shares it. Those of tap 1
  /// of a strided kernel serve three rows and columns of positions.
  std::int64_t plane[kPositions2d] = {};
  std::int64_t planes = 0;  ///< of weights, of a panel
  TensorS8 weights;         ///< transformed, per panel [planes][quads][width][4 bytes]
  TensorS32 output_bias;    ///< [kTileSizes][K, padded, × 16 outputs], as WinogradOutput::bias
  std::int64_t panel_width = 0;     ///< as RegisterBlock::panel_width
  std::int64_t padded_K = 0;        ///< K rounded up to 16
  std::int64_t largest_weight = 0;  ///< max |U| found

  /// Width of the panel that starts at channel k (a sum of earlier widths).
  std::int64_t width_at(std::int64_t k) const { return std::min(panel_width, padded_K - k); }
  std::int64_t panels() const { return (padded_K + panel_width - 1) / panel_width; }
  /// Of tiles of a size, a number below kTileSizes.
  TileCorrelation correlation(int size) const {
    return tile_correlation((size & 1) != 0 ? vertical.rest : vertical.main,
                            (size & 2) != 0 ? horizontal.rest : horizontal.main, strided);
  }
  std::int64_t count(int size) const {
    return vertical.count((size & 1) != 0) * horizontal.count((size & 2) != 0);
  }
  /// Bytes from one plane of a panel to the next.
  std::int64_t plane_stride(std::int64_t width) const { return odd_lines(quads * width * 4); }
  /// Where the weights of the panel that starts at channel k begin; at padded_K, where they end.
  std::int64_t weights_at(std::int64_t k) const {
    const std::int64_t rest = k % panel_width;
    return planes *
           (k / panel_width * plane_stride(panel_width) + (rest != 0 ? plane_stride(rest) : 0));
  }
  /// Pairs of a tile and a position, all pieces counted: values per image and channel.
  std::int64_t value_rows() const;
  /// Likewise, pieces not counted: sums of products per image and output channel.
  std::int64_t product_rows() const;
};

/// Fills `plan` and returns true, or returns false and says in `why` which condition of F4 fails
/// with such operands. panel_width: of the RegisterBlock.
bool plan_winograd(const IntLayer& layer, int tile, WinogradOperands operands, WinogradPlan& plan,
                   std::string& why, std::int64_t panel_width = kPanelWidth);

}  // namespace intandem
