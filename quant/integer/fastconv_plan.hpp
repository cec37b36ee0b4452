// Everything about an exact fast convolution that is decided before it runs: whether it is exact
// for this layer, the tiling, the transformed and packed weights. Equations: docs/kernels.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "quant/integer/fastconv_kernels.hpp"
#include "quant/integer/fastconv_math.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// Tiles come in four sizes: full, shorter, narrower, both (1 and 2 are bits).
constexpr int kTileSizes = 4;

/// One dimension of the output cut into tiles of `main` outputs, the last one of `rest` if the
/// extent leaves a remainder that a smaller tile covers with fewer products (F5); rest = main else.
struct FastConvAxis {
  std::int64_t tiles = 0;
  int main = 4, rest = 4;

  int outputs(std::int64_t i) const { return i == tiles - 1 ? rest : main; }
};
/// tile: 4 or 2. A remainder of 1 or 2 gets its own tile under F(4,3), any other is padded.
FastConvAxis cut_axis(std::int64_t outputs, int tile);

/// Smallest and largest V = Bᵀ d B at a position for input codes 0 … in_max (F3), over the tile
/// sizes that may occur with main tile `tile`.
struct ValueRange {
  std::int64_t low = 0, high = 0;
};
ValueRange value_range(int tile, int position, std::int64_t in_max);

/// U = G g Gᵀ of one 3×3 filter, taps row by row → one per position (49).
void transform_taps(const std::int8_t* taps, std::int32_t* u);

/// A part of up to 3×3 taps of a kernel (F6). Where it has only two rows (columns), its U are zero
/// at the positions of the point ∞ of that direction, and it has no share in them.
struct FastConvPiece {
  std::int64_t y, x;  ///< first tap
  int rows, columns;  ///< 3 or 2

  bool has(int position) const {
    return (position / kPositions1d < kInfinity || rows == 3) &&
           (position % kPositions1d < kInfinity || columns == 3);
  }
};
/// The pieces of a square kernel of 3 or 5 taps each way, in an order in which those that share a
/// position are neighbours; none for other sizes.
std::vector<FastConvPiece> cut_kernel(std::int64_t taps);

/// Rounds up to an odd number of cache lines: up to 64 streams that far apart never compete for one
/// set of the first-level cache.
inline std::int64_t odd_lines(std::int64_t bytes) { return ((bytes + 63) / 64 | 1) * 64; }

/// A layer made ready for one tile size.
struct FastConvPlan {
  int tile = 4;
  FastConvAxis vertical, horizontal;
  std::vector<FastConvPiece> pieces;
  std::int64_t quads = 0;         ///< as FastConvProduct::quads
  std::int64_t value_stride = 0;  ///< rounded up to 64: bytes of a position of a tile and piece
  std::vector<int> positions;     ///< those used: 49 for tile 4, 16 for tile 2
  bool all_columns = false;       ///< all of U is stored, not only the columns that are taps
  int first_piece[kPositions2d] = {}, piece_count[kPositions2d] = {};  ///< that share a position
  /// Where the taps of a row of positions and a piece begin, in planes; [rows][0] is their number.
  std::int64_t first_plane[kPositions1d + 1][kMostPieces] = {};
  /// Per panel planes [quads][width][4 bytes], one per row, piece and stored column of U.
  TensorS8 taps;
  TensorS32 output_bias;     ///< [kTileSizes][K, padded, × 16 outputs], as FastConvOutput::bias
  TensorS32 epilogue_table;  ///< the arrays of `epilogue`, one after the other
  FastConvEpilogue epilogue = {};
  std::int64_t panel_width = 0;     ///< as RegisterBlock::panel_width
  std::int64_t padded_K = 0;        ///< K rounded up to 16
  std::int64_t largest_weight = 0;  ///< max |U| found

  /// Width of the panel that starts at channel k (a sum of earlier widths).
  std::int64_t width_at(std::int64_t k) const { return std::min(panel_width, padded_K - k); }
  std::int64_t panels() const { return (padded_K + panel_width - 1) / panel_width; }
  /// Rows of G in use, 7 or 4.
  std::int64_t tap_rows() const;
  /// Bytes of one plane of taps of a panel, and from one to the next.
  std::int64_t tap_bytes(std::int64_t width) const { return quads * width * 4; }
  std::int64_t tap_stride(std::int64_t width) const { return odd_lines(tap_bytes(width)); }
  /// The columns of U that are stored of a piece, in order.
  std::vector<int> stored_columns(const FastConvPiece& piece) const;
  /// Planes of taps of a panel.
  std::int64_t planes() const { return first_plane[tap_rows()][0]; }
  /// Where the taps of the panel that starts at channel k begin; at padded_K, where they end.
  std::int64_t taps_at(std::int64_t k) const {
    const std::int64_t rest = k % panel_width;
    return planes() *
           (k / panel_width * tap_stride(panel_width) + (rest != 0 ? tap_stride(rest) : 0));
  }
  /// Pairs of a tile and a position, all pieces counted: values per image and channel.
  std::int64_t value_rows() const;
  /// Likewise, pieces not counted: sums of products per image and output channel.
  std::int64_t product_rows() const;
};

/// Fills `plan` and returns true, or returns false and says in `why` which condition of F4 fails
/// with such operands. quad_step: as in FastConvKernels; panel_width: of the
/// RegisterBlock; most_stored_bytes: of all_columns.
bool plan_fastconv(const IntLayer& layer, int tile, FastConvOperands operands, FastConvPlan& plan,
                   std::string& why, std::int64_t quad_step = 1,
                   std::int64_t panel_width = kPanelWidth,
                   std::int64_t most_stored_bytes = kMostStoredBytes);

/// The epilogue arrays of a layer, into plan.epilogue_table.
void plan_epilogue(const IntLayer& layer, FastConvPlan& plan);

}  // namespace intandem
