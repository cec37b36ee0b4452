// The steps of the exact fast convolution, one set of kernels per instruction set. Plain data
// and raw pointers only: the files that implement them are compiled for other instruction sets.
#pragma once

#include <cstdint>

#include "quant/integer/kernel_args.hpp"
#include "quant/integer/winograd/math.hpp"

namespace intandem {

/// What is multiplied. Values and weights are stored without padding between them, so everything
/// about memory is counted in bytes, and a group of four bytes is four channels or two.
enum class WinogradOperands {
  u8_s8,        ///< values shifted to 0 … 255, weights −128 … 127
  u8_s8_pairs,  ///< likewise, but two neighbouring products are summed in 16 bits (vpmaddubsw)
  s16           ///< both 16 bits wide, no shift: any codes and weights
};
constexpr std::int64_t operand_bytes(WinogradOperands operands) {
  return operands == WinogradOperands::s16 ? 2 : 1;
}

/// Values of one position, as the product reads them from first to last: tiles in blocks
/// (WinogradBlocks), a block in pieces of the kernel (WinogradPiece), a piece in chunks of 64 bytes
/// (64 or 32 channels), a chunk as one cache line per tile:
///     [block][piece][chunk][tile of the block][64]
/// so that one pointer serves all tiles of a register block.
constexpr std::int64_t kValueChunk = 64;

constexpr int kMostPieces = 4;

/// The block of sums a product keeps in registers: so many tiles × output channels. Channels are
/// packed in panels of that width; the last one may be narrower, a multiple of 16.
struct RegisterBlock {
  std::int64_t rows, panel_width;
};
/// The panel of all kernels but those that say otherwise.
constexpr std::int64_t kPanelWidth = 32;

/// How the rows of one position, one per tile, are cut into register blocks of at most `most`: the
/// first `taller` of them have height + 1 rows, the others `height`.
struct WinogradBlocks {
  std::int64_t count, height, taller;
};
[[gnu::always_inline]] static inline WinogradBlocks winograd_blocks(std::int64_t rows,
                                                                    std::int64_t most) {
  // In 32 bits, because 64-bit divisions are slow.
  const auto n = static_cast<std::uint32_t>(rows), m = static_cast<std::uint32_t>(most);
  const std::uint32_t count = (n + m - 1) / m;
  if (count == 0) return {0, 0, 0};
  return {count, n / count, n % count};
}

/// Step 1: up to a chunk of channels of one tile of input codes → its values, u8: Bᵀ d B +
/// value_shift(position), or s16: Bᵀ d B, one per position and channel, those of
/// tile_correlation(outputs_v, outputs_h, strided) (winograd/tile.hpp).
struct WinogradInput {
  const std::uint8_t* const* pixel;  ///< [inputs_v·inputs_h], each the codes of a pixel
  std::int64_t first, channels;      ///< the codes wanted of each
  std::int64_t next_tile;            ///< where the tile to the right is, seen from this one
  int outputs_v, outputs_h;          ///< tile size, 4, 2 or 1 each; strided 3, 2 or 1
  bool strided;
  /// Out: 64 bytes for position p at values + offset[p]. Without offsets, which is quicker, at
  /// values + i·step for product i.
  std::uint8_t* values;
  const std::int64_t* offset;  ///< [49] or null
  std::int64_t step;
};

/// Step 2: products[r][k] = Σ_piece Σ_c values[r][c]·weights[piece][c][k], modulo 2³²,
/// for the tiles of `blocks` and one panel of `width` output channels at one position. A kernel may
/// read the values, and write the products, of block.rows − 1 tiles more; positions are computed in
/// the order in which their products lie, so that the right ones are written last.
struct WinogradProduct {
  const std::uint8_t* values;         ///< as described above
  WinogradBlocks blocks;              ///< of at most block.rows rows; maybe none
  const std::int8_t* const* weights;  ///< of each piece, [quads][width][4 bytes]
  std::int64_t pieces;
  std::int64_t quads;       ///< groups of 4 bytes: ⌈C/4⌉ or ⌈C/2⌉
  RegisterBlock block;      ///< one of the kernels' own
  std::int64_t width;       ///< a multiple of 16 up to block.panel_width
  std::int32_t* products;   ///< out: [rows][block.panel_width]
  const std::int8_t* next;  ///< 4·width·quads·pieces bytes wanted soon; a kernel may fetch them
};

/// What is added to an output of a tile before the shift: to output (y, x) in channel k entry
/// [k / 16][4·y + x][k % 16].
constexpr std::int64_t kBiasLanes = 16, kBiasOutputs = 16, kBiasBlock = kBiasOutputs * kBiasLanes;

/// Step 3: one tile's products → accumulators (Aᵀ M A + bias) >> shift → codes.
struct WinogradOutput {
  /// Position p offset_bytes[p] bytes from here, or, of product i, i·step_bytes; `channels` each.
  const std::int32_t* products;
  const std::int64_t* offset_bytes;  ///< [49] or null
  std::int64_t step_bytes;
  int outputs_v, outputs_h;  ///< tile size
  bool strided;
  int rows, columns;             ///< the part of the tile that lies inside the output
  std::int64_t first, channels;  ///< output channels first … first + channels − 1
  std::uint8_t* codes;           ///< out, at the tile's first output, channel 0
  const std::uint8_t* shortcut;  ///< likewise
  std::int32_t* accumulators;    ///< out instead of codes, of the last layer; else null
  std::int64_t row_stride;       ///< elements from one output row to the next
  std::int64_t column_stride;    ///< elements from one output to its right neighbour: K
  const std::int32_t* bias;      ///< of tiles of this size
  const RequantTables* tables;   ///< of all channels
};

constexpr std::int64_t kFewTiles = 32;

struct WinogradKernels {
  const char* isa;
  WinogradOperands operands;
  RegisterBlock block, few_tiles;  ///< the second for images of fewer than kFewTiles
  void (*transform_input)(const WinogradInput&);
  void (*multiply)(const WinogradProduct&);
  void (*transform_output)(const WinogradOutput&);
};

/// The steps for s16 operands are called wide; the output transform is the same.
#if defined(__x86_64__)
void winograd_input_avx2(const WinogradInput& tile);
void winograd_multiply_avx2(const WinogradProduct& product);
void winograd_input_wide_avx2(const WinogradInput& tile);
void winograd_multiply_wide_avx2(const WinogradProduct& product);
void winograd_output_avx2(const WinogradOutput& tile);

void winograd_input_avx512vnni(const WinogradInput& tile);
void winograd_multiply_avx512vnni(const WinogradProduct& product);
void winograd_input_wide_avx512vnni(const WinogradInput& tile);
void winograd_multiply_wide_avx512vnni(const WinogradProduct& product);
void winograd_output_avx512vnni(const WinogradOutput& tile);
#endif

}  // namespace intandem
