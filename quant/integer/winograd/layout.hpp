// Where the tiles of an exact fast convolution and what belongs to them lie: groups of tiles, and
// the values and products of a group (drawing in docs/kernels.md).
#pragma once

#include <cstdint>

#include "core/conv_shape.hpp"
#include "quant/integer/winograd/kernels.hpp"
#include "quant/integer/winograd/plan.hpp"

namespace intandem {

/// A group holds tiles of the four sizes in this order, in which the tiles that have a given
/// position are always neighbours: a position may belong to {full}, {shorter, full}, {full,
/// narrower} or all.
constexpr int kTileSizeOrder[kTileSizes] = {1, 0, 2, 3};
/// Positions come in four kinds: shorter tiles have a part in it or not, narrower ones likewise.
constexpr int kPositionKinds = 4;

struct WinogradTile {
  std::int64_t image, v, h;  ///< tile row and column
  std::int64_t row, column;  ///< first output
  int outputs_v, outputs_h, size;
};

/// Consecutive tiles that are computed together; counted over all images.
struct WinogradGroup {
  std::int64_t index = -1, first = 0, last = 0;
  std::int64_t begin[kTileSizes] = {};  ///< row of the first tile of a size
  std::int64_t first_row[kPositionKinds] = {}, rows[kPositionKinds] = {};
  WinogradBlocks blocks[kPositionKinds] = {};     ///< of the rows
  std::int64_t values[kPositions2d] = {};         ///< where a position's values begin
  std::int64_t product_bytes[kPositions2d] = {};  ///< where its products of row 0 would be
  /// If the layout is steady: from a position to the next.
  std::int64_t value_step = 0, product_step_bytes = 0;
};

/// Most tiles of a group whose weights take so many bytes at a time, and each tile so many with its
/// values and products, in this CPU's second-level cache.
std::int64_t group_tiles(std::int64_t weight_bytes, std::int64_t tile_bytes);

/// The window of one tile under one piece of the kernel: pointers to its inputs_v·inputs_h pixels
/// of `input` [N][H][W][C], or to `pad` for those outside.
void find_pixels(const ConvShape& shape, const WinogradTile& tile, const WinogradPiece& piece,
                 const std::uint8_t* input, const std::uint8_t* pad, const std::uint8_t** pixel);

/// The layout of one layer; keeps a reference to its plan.
class WinogradLayout {
 public:
  WinogradLayout(const WinogradPlan& plan, std::int64_t block_rows);

  std::int64_t tiles() const { return tiles_; }  ///< per image
  int kind(int position) const { return kind_[position]; }
  /// All tiles take part in all positions, so that these lie at equal distances.
  bool is_steady() const { return one_kind_ && plan_.pieces.size() == 1; }
  /// Bytes of the values and products of a tile; what a group of `count` needs at most of each.
  std::int64_t tile_bytes() const;
  std::int64_t value_bytes(std::int64_t count) const;
  std::int64_t product_bytes(std::int64_t count) const;

  WinogradTile tile_at(std::int64_t index) const {
    const std::int64_t within = index % tiles_;
    return make_tile(index / tiles_, within / plan_.horizontal.tiles,
                     within % plan_.horizontal.tiles);
  }
  /// The next tile, without dividing.
  void advance(WinogradTile& tile) const {
    const bool row_ends = tile.h + 1 == plan_.horizontal.tiles;
    const bool image_ends = row_ends && tile.v + 1 == plan_.vertical.tiles;
    tile = make_tile(tile.image + (image_ends ? 1 : 0),
                     image_ends ? 0 : tile.v + (row_ends ? 1 : 0), row_ends ? 0 : tile.h + 1);
  }
  /// Given first and last, counts the tiles by size, gives every size its rows and every position
  /// its range of rows, its values and products.
  void lay_out(WinogradGroup& group) const;

  /// Where the values of one tile begin, per kind of position: the block of the register that it is
  /// in, in rows, and its line there; bytes from chunk to chunk.
  struct Place {
    std::int64_t block_row[kPositionKinds] = {}, line[kPositionKinds] = {};
    std::int64_t chunk_step[kPositionKinds] = {};
  };
  /// `row`: the tile's row in the group. Entries of kinds it has no part in are meaningless.
  Place find_place(const WinogradGroup& group, std::int64_t row) const;
  /// Offsets of all positions for the first chunk of a piece, and what the next chunk's are further
  /// on; of those in which the piece has no share, `unused` and 0.
  struct Offsets {
    std::int64_t at[kPositions2d], step[kPositions2d];

    void next_chunk() {
      for (int p = 0; p < kPositions2d; ++p) at[p] += step[p];
    }
  };
  void find_offsets(const WinogradGroup& group, const Place& at, int piece, std::int64_t unused,
                    Offsets& offsets) const;

 private:
  WinogradTile make_tile(std::int64_t image, std::int64_t v, std::int64_t h) const {
    const int outputs_v = plan_.vertical.outputs(v), outputs_h = plan_.horizontal.outputs(h);
    return {
        image,
        v,
        h,
        v * plan_.vertical.main,
        h * plan_.horizontal.main,
        outputs_v,
        outputs_h,
        (outputs_v != plan_.vertical.main ? 1 : 0) + (outputs_h != plan_.horizontal.main ? 2 : 0)};
  }

  const WinogradPlan& plan_;
  std::int64_t block_rows_, tiles_, chunks_;
  int kind_[kPositions2d] = {};  ///< bit 1: shorter tiles have a part in it, 2: narrower ones
  bool one_kind_;                ///< all tiles are of one size
};

}  // namespace intandem
