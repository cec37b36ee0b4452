// The steps of the exact fast convolution, one set of kernels per instruction set. Plain data
// and raw pointers only: the files that implement them are compiled for other instruction sets.
#pragma once

#include <cstdint>

#include "quant/integer/fastconv_math.hpp"

namespace intandem {

/// What is multiplied. Values and weights are stored without padding between them, so everything
/// about memory is counted in bytes, and a group of four bytes is four channels or two.
enum class FastConvOperands {
  u8_s8,        ///< values shifted to 0 … 255, weights −128 … 127
  u8_s8_pairs,  ///< likewise, but two neighbouring products are summed in 16 bits (vpmaddubsw)
  s16           ///< both 16 bits wide, no shift: any codes and weights
};
constexpr std::int64_t operand_bytes(FastConvOperands operands) {
  return operands == FastConvOperands::s16 ? 2 : 1;
}

/// Values of one position, as the product reads them from first to last: tiles in blocks
/// (FastConvBlocks), a block in pieces of the kernel (FastConvPiece), a piece in chunks of 64 bytes
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
struct FastConvBlocks {
  std::int64_t count, height, taller;
};
[[gnu::always_inline]] static inline FastConvBlocks fastconv_blocks(std::int64_t rows,
                                                                    std::int64_t most) {
  // In 32 bits, because 64-bit divisions are slow.
  const auto n = static_cast<std::uint32_t>(rows), m = static_cast<std::uint32_t>(most);
  const std::uint32_t count = (n + m - 1) / m;
  if (count == 0) return {0, 0, 0};
  return {count, n / count, n % count};
}

/// Step 1: up to a chunk of channels of one tile of input codes → its values, u8: Bᵀ d B +
/// value_shift(position), or s16: Bᵀ d B, one per position and channel, those of
/// tile_correlation(outputs_v, outputs_h, form) (fastconv_tile.hpp).
struct FastConvInput {
  const std::uint8_t* const* pixel;  ///< [inputs_v·inputs_h], each the codes of a pixel
  std::int64_t first, channels;      ///< the codes wanted of each
  std::int64_t next_tile;            ///< where the tile to the right is, seen from this one
  int outputs_v, outputs_h;          ///< tile size, 4, 2 or 1 each; strided 3, 2 or 1
  FastConvForm form;
  /// Out: 64 bytes for position p at values + offset[p]. Without offsets, which is quicker, at
  /// values + TileCorrelation::step·step.
  std::uint8_t* values;
  const std::int64_t* offset;  ///< [55] or null
  std::int64_t step;
};

/// All of U is stored with the layer if it takes no more bytes than this, half of a core's
/// second-level cache; else it is computed in part:
constexpr std::int64_t kMostStoredBytes = 1024 * 1024;

/// Step 2: U = (G g) Gᵀ in part. G g, seven rows of three taps, is stored with the layer. The
/// positions of column 0, 4 and 6 are those taps themselves; the other columns are computed when
/// they are used, because 49/21 times the bytes would have to come from memory instead.
struct FastConvWeights {
  const std::int8_t* taps;  ///< one row of G g of one piece: planes of s8 or s16, `stride` apart
  int columns;              ///< planes: 3, or 2: t₂ = 0, and `imaginary` is not asked for
  std::int64_t bytes;       ///< of one plane: quads·width·4, a multiple of 64
  std::int64_t stride;      ///< likewise in bytes
  bool imaginary;  ///< columns 3 and 5: t₀ − t₂ and t₀ + t₁ − t₂; else 1 and 2: t₀ ± t₁ + t₂
  std::int8_t* weights;  ///< out: [2] planes, `stride` apart
};

/// Step 2 for three joined positions, of which nothing is stored (F9): out of the rows 3 and 4 of
/// G g, with re, ri, ir and ii the real and imaginary parts by row and column,
///     a = re ∓ ii, b = ir ± ri → a + b, a, b
struct FastConvJoined {
  const std::int8_t *real, *imaginary;  ///< planes of taps, otherwise as FastConvWeights::taps
  int columns;                          ///< 3, or 2: the third plane is 0
  std::int64_t bytes, stride;
  bool minus;            ///< the lower signs
  std::int8_t* weights;  ///< out: [3] planes, `stride` apart
};

/// Step 3: products[r][k] = Σ_piece Σ_c values[r][c]·weights[piece][c][k], modulo 2³²,
/// for the tiles of `blocks` and one panel of `width` output channels at one position. A kernel may
/// read the values, and write the products, of block.rows − 1 tiles more; positions are computed in
/// the order in which their products lie, so that the right ones are written last.
struct FastConvProduct {
  const std::uint8_t* values;         ///< as described above
  FastConvBlocks blocks;              ///< of at most block.rows rows; maybe none
  const std::int8_t* const* weights;  ///< of each piece, [quads][width][4 bytes]
  std::int64_t pieces;
  /// Groups of 4 bytes: ⌈C/4⌉ or ⌈C/2⌉ rounded up to FastConvKernels::quad_step; the rest has
  /// weight 0.
  std::int64_t quads;
  RegisterBlock block;      ///< one of the kernels' own
  std::int64_t width;       ///< a multiple of 16 up to block.panel_width
  std::int32_t* products;   ///< out: [rows][block.panel_width]
  const std::int8_t* next;  ///< 4·width·quads·pieces bytes wanted soon; a kernel may fetch them
  /// Null, or per piece what to compute besides (step 2; `weights` null: nothing), out of planes of
  /// which the product reads one: weights[piece] is t₀, or t₁ for the imaginary columns. Never
  /// asked of kernels that do not have `computes_weights`.
  const FastConvWeights* besides = nullptr;
};

/// How accumulators become codes; all arrays per output channel, padded to a multiple of 64.
struct FastConvEpilogue {
  enum Mode : int {
    raw,    ///< last layer: store the accumulator
    quick,  ///< all n ≥ 17, no shortcut, no zero point: 32 bits (docs/quantization.md, Q5a)
    wide    ///< 64-bit arithmetic, with or without shortcut and zero point
  };
  Mode mode;
  std::int32_t max_code;
  const std::int32_t* m;
  const std::int32_t* n;
  const std::int32_t* add_m;  ///< null without shortcut
  std::int32_t zero_point, add_zero;
};

/// What is added to an output of a tile before the shift: to output (y, x) in channel k entry
/// [k / 16][4·y + x][k % 16].
constexpr std::int64_t kBiasLanes = 16, kBiasOutputs = 16, kBiasBlock = kBiasOutputs * kBiasLanes;

/// Step 4: one tile's products → accumulators (Aᵀ M A + bias) >> shift → codes.
struct FastConvOutput {
  /// Position p offset_bytes[p] bytes from here, or TileCorrelation::step·step_bytes; `channels`
  /// each.
  const std::int32_t* products;
  const std::int64_t* offset_bytes;  ///< [55] or null
  std::int64_t step_bytes;
  int outputs_v, outputs_h;  ///< tile size
  FastConvForm form;
  int rows, columns;             ///< the part of the tile that lies inside the output
  std::int64_t first, channels;  ///< output channels first … first + channels − 1
  std::uint8_t* codes;           ///< out, at the tile's first output, channel 0
  const std::uint8_t* shortcut;  ///< likewise
  std::int32_t* accumulators;    ///< out instead of codes, in mode raw
  std::int64_t row_stride;       ///< elements from one output row to the next
  std::int64_t column_stride;    ///< elements from one output to its right neighbour: K
  const std::int32_t* bias;      ///< of tiles of this size
  const FastConvEpilogue* epilogue;
};

constexpr std::int64_t kFewTiles = 32;

struct FastConvKernels {
  const char* isa;
  FastConvOperands operands;
  bool computes_weights;           ///< `multiply` obeys FastConvProduct::besides
  RegisterBlock block, few_tiles;  ///< the second for images of fewer than kFewTiles
  std::int64_t quad_step;          ///< quads a step of the product takes
  void (*transform_input)(const FastConvInput&);
  void (*transform_weights)(const FastConvWeights&);
  void (*join_weights)(const FastConvJoined&);
  void (*multiply)(const FastConvProduct&);
  void (*transform_output)(const FastConvOutput&);
};

constexpr std::int64_t kFastConvRefRows = 3;
/// The steps for s16 operands are called wide; the output transform is the same.
void fastconv_input_ref(const FastConvInput& tile);
void fastconv_weights_ref(const FastConvWeights& panel);
void fastconv_joined_ref(const FastConvJoined& panel);
void fastconv_multiply_ref(const FastConvProduct& product);
void fastconv_input_wide_ref(const FastConvInput& tile);
void fastconv_weights_wide_ref(const FastConvWeights& panel);
void fastconv_joined_wide_ref(const FastConvJoined& panel);
void fastconv_multiply_wide_ref(const FastConvProduct& product);
void fastconv_output_ref(const FastConvOutput& tile);

#if defined(__x86_64__)
void fastconv_input_avx2(const FastConvInput& tile);
void fastconv_weights_avx2(const FastConvWeights& panel);
void fastconv_joined_avx2(const FastConvJoined& panel);
void fastconv_multiply_avx2(const FastConvProduct& product);
void fastconv_input_wide_avx2(const FastConvInput& tile);
void fastconv_weights_wide_avx2(const FastConvWeights& panel);
void fastconv_joined_wide_avx2(const FastConvJoined& panel);
void fastconv_multiply_wide_avx2(const FastConvProduct& product);
void fastconv_output_avx2(const FastConvOutput& tile);

void fastconv_input_avx512vnni(const FastConvInput& tile);
void fastconv_weights_avx512vnni(const FastConvWeights& panel);
void fastconv_joined_avx512vnni(const FastConvJoined& panel);
void fastconv_multiply_avx512vnni(const FastConvProduct& product);
void fastconv_input_wide_avx512vnni(const FastConvInput& tile);
void fastconv_weights_wide_avx512vnni(const FastConvWeights& panel);
void fastconv_joined_wide_avx512vnni(const FastConvJoined& panel);
void fastconv_multiply_wide_avx512vnni(const FastConvProduct& product);
void fastconv_output_avx512vnni(const FastConvOutput& tile);
#endif

}  // namespace intandem
