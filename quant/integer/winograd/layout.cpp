#include "quant/integer/winograd/layout.hpp"

#include <algorithm>

#include "core/cpu.hpp"

namespace intandem {
namespace {

/// Words between the products of neighbouring positions, as much as the values get: neighbouring
/// positions of a tile compete for neighbouring sets of the first-level cache.
constexpr std::int64_t kPadWords = kValueChunk / 4;
constexpr std::int64_t kWordBytes = sizeof(std::int32_t);

/// What a worker touches for one group of tiles stays in this much of a second-level cache of 1 MB;
/// fewer tiles than share the reading of weights well take up to 7/8 of what there is.
constexpr std::int64_t kCacheBytes = 900 * 1024, kMostCacheBytes = 1536 * 1024;
constexpr std::int64_t kEnoughTiles = 66, kSmallestGroup = 12;

}  // namespace

std::int64_t group_tiles(std::int64_t weight_bytes, std::int64_t tile_bytes) {
  const auto fit = [&](std::int64_t cache) { return (cache - weight_bytes) / tile_bytes; };
  const std::int64_t cache = cache_sizes().second_level_bytes / 8 * 7;
  const std::int64_t stretched = fit(std::clamp(cache, kCacheBytes, kMostCacheBytes));
  return std::max({kSmallestGroup, fit(kCacheBytes), std::min(kEnoughTiles, stretched)});
}

void find_pixels(const ConvShape& shape, const WinogradTile& tile, const WinogradPiece& piece,
                 const std::uint8_t* input, const std::uint8_t* pad, const std::uint8_t** pixel) {
  const std::int64_t height = (tile.outputs_v - 1) * shape.stride + 3;
  const std::int64_t width = (tile.outputs_h - 1) * shape.stride + 3;
  const std::int64_t top = tile.row * shape.stride - shape.pad + piece.y;
  const std::int64_t left = tile.column * shape.stride - shape.pad + piece.x;
  // The part of a window row that lies in the image.
  const std::int64_t first = std::clamp<std::int64_t>(-left, 0, width);
  const std::int64_t last = std::clamp<std::int64_t>(shape.W - left, first, width);
  const std::uint8_t* row = input + ((tile.image * shape.H + top) * shape.W + left) * shape.C;
  for (std::int64_t y = top; y < top + height; ++y, pixel += width, row += shape.W * shape.C) {
    const bool inside = y >= 0 && y < shape.H;
    const std::int64_t begin = inside ? first : width, end = inside ? last : width;
    for (std::int64_t x = 0; x < begin; ++x) pixel[x] = pad;
    for (std::int64_t x = begin; x < end; ++x) pixel[x] = row + x * shape.C;
    for (std::int64_t x = end; x < width; ++x) pixel[x] = pad;
  }
}

WinogradLayout::WinogradLayout(const WinogradPlan& plan, std::int64_t block_rows)
    : plan_(plan),
      block_rows_(block_rows),
      tiles_(plan.vertical.tiles * plan.horizontal.tiles),
      chunks_(plan.value_stride / kValueChunk),
      one_kind_(plan.vertical.rest == plan.vertical.main &&
                plan.horizontal.rest == plan.horizontal.main) {
  for (const int p : plan_.positions) {
    const auto takes_part = [&](int size) {
      const TileCorrelation tile = plan_.correlation(size);
      int i = 0;
      while (i < tile.products() && tile.position(i) != p) ++i;
      return i < tile.products();
    };
    if (!one_kind_) kind_[p] = (takes_part(1) ? 1 : 0) + (takes_part(2) ? 2 : 0);
  }
}

std::int64_t WinogradLayout::tile_bytes() const {
  std::int64_t sum = 0;
  for (const int p : plan_.positions) {
    sum += plan_.piece_count[p] * plan_.value_stride + plan_.panel_width * kWordBytes;
  }
  return sum;
}

std::int64_t WinogradLayout::value_bytes(std::int64_t count) const {
  std::int64_t sum = 0;
  for (const int p : plan_.positions) {
    sum += count * plan_.piece_count[p] * plan_.value_stride + kValueChunk;
  }
  return sum + (block_rows_ - 1) * kValueChunk;
}

std::int64_t WinogradLayout::product_bytes(std::int64_t count) const {
  const auto positions = static_cast<std::int64_t>(plan_.positions.size());
  return (positions * (count * plan_.panel_width + kPadWords) +
          (block_rows_ - 1) * plan_.panel_width) *
         kWordBytes;
}

void WinogradLayout::lay_out(WinogradGroup& group) const {
  std::int64_t count[kTileSizes] = {};
  WinogradTile tile = tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, advance(tile)) ++count[tile.size];
  std::int64_t row = 0, values = 0, products = 0;
  for (const int size : kTileSizeOrder) {
    group.begin[size] = row;
    row += count[size];
  }
  for (int kind = 0; kind < kPositionKinds; ++kind) {
    group.rows[kind] = 0;
    for (const int size : kTileSizeOrder) {
      // Smaller in a direction in which the kind wants whole ones.
      if ((size & ~kind) != 0) continue;
      if (group.rows[kind] == 0) group.first_row[kind] = group.begin[size];
      group.rows[kind] += count[size];
    }
    group.blocks[kind] = winograd_blocks(group.rows[kind], block_rows_);
  }
  for (const int p : plan_.positions) {
    const int kind = kind_[p];
    group.value_step = group.rows[kind] * plan_.piece_count[p] * plan_.value_stride + kValueChunk;
    const std::int64_t words = group.rows[kind] * plan_.panel_width + kPadWords;
    group.product_step_bytes = words * kWordBytes;
    group.values[p] = values;
    group.product_bytes[p] = (products - group.first_row[kind] * plan_.panel_width) * kWordBytes;
    values += group.value_step;
    products += words;
  }
}

WinogradLayout::Place WinogradLayout::find_place(const WinogradGroup& group,
                                                 std::int64_t row) const {
  Place at;
  for (int kind = 0; kind < (one_kind_ ? 1 : kPositionKinds); ++kind) {
    const std::int64_t r = row - group.first_row[kind], rows = group.rows[kind];
    if (r < 0 || r >= rows) continue;
    const WinogradBlocks& blocks = group.blocks[kind];
    const std::int64_t in_taller = blocks.taller * (blocks.height + 1);
    const std::int64_t height = blocks.height + (r < in_taller ? 1 : 0);
    // 32 bits, because 64-bit divisions are slow.
    const std::int64_t line = static_cast<std::uint32_t>(r < in_taller ? r : r - in_taller) %
                              static_cast<std::uint32_t>(height);
    at.block_row[kind] = r - line;
    at.line[kind] = line * kValueChunk;
    at.chunk_step[kind] = height * kValueChunk;
  }
  return at;
}

void WinogradLayout::find_offsets(const WinogradGroup& group, const Place& at, int piece,
                                  std::int64_t unused, Offsets& offsets) const {
  for (int p = 0; p < kPositions2d; ++p) offsets.at[p] = offsets.step[p] = 0;
  for (const int p : plan_.positions) {
    const int kind = kind_[p];
    const std::int64_t before = piece - plan_.first_piece[p], pieces = plan_.piece_count[p];
    const bool has = before >= 0 && before < pieces;
    offsets.at[p] = has ? group.values[p] + at.block_row[kind] * pieces * plan_.value_stride +
                              at.line[kind] + before * chunks_ * at.chunk_step[kind]
                        : unused;
    offsets.step[p] = has ? at.chunk_step[kind] : 0;
  }
}

}  // namespace intandem
