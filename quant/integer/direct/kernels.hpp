// Kernels of the direct product, one file per instruction set.
#pragma once

#include "quant/integer/kernel_args.hpp"

namespace intandem {

/// How a kernel wants its weights, per panel of `width` output channels. Element j of a group of
/// four belongs to code j of the group; groups are those of ProductTile, tap by tap.
enum class WeightLayout {
  quads_s8,   ///< s8 [tap][group][width][4]
  pairs_s16,  ///< s16 [tap][group][2][width][2]: first (w0, w1) of every channel, then (w2, w3)
  pairs_s8,   ///< the same, s8
};

/// Bytes of a code as the kernel reads it: with weights in pairs, codes are 16 bits wide.
constexpr std::int64_t code_bytes(WeightLayout layout) {
  return layout == WeightLayout::quads_s8 ? 1 : 2;
}
constexpr std::int64_t weight_bytes(WeightLayout layout) {
  return layout == WeightLayout::pairs_s16 ? 2 : 1;
}

/// A kernel for any codes: register tiles of up to max_rows × (width or width/2) outputs, whose
/// rows lie anywhere, and whole rows of outputs.
struct DirectKernel {
  const char* name;
  WeightLayout layout;
  std::int64_t max_rows, width;
  void (*tile)(const ProductTile& tile, std::int64_t rows, std::int64_t width);
  /// In panels of row_width channels, or half or a quarter of them; null if there is none.
  void (*row)(const ProductRow& row, std::int64_t width) = nullptr;
  std::int64_t narrow_width = 0, narrow_pixels = 0;  ///< of panels: pixels of a register tile
  std::int64_t broad_width = 0, broad_pixels = 0;    ///< the other choice, or none
  bool streams = false;                              ///< obeys ProductTile::stream_ahead_bytes

  /// Pixels of a register tile of a row; 0: no such panels.
  std::int64_t row_pixels(std::int64_t panel) const {
    return panel == narrow_width ? narrow_pixels : panel == broad_width ? broad_pixels : 0;
  }
};

/// Largest tile of any kernel, for buffers on the stack.
inline constexpr std::int64_t kMaxTileRows = 12, kMaxTileWidth = 32;

#if defined(__x86_64__)
/// vpdpbusd: any codes. 12 rows × 32 channels; rows in tiles of 7 pixels × 64 channels or 14 × 32.
void direct_tile_avx512vnni(const ProductTile& tile, std::int64_t rows, std::int64_t width);
void direct_row_avx512vnni(const ProductRow& row, std::int64_t width);
/// vpmaddwd on 16 bits: any codes. 6 rows × 16 channels, layout pairs_s16, or pairs_s8 where the
/// weights come from memory and their size is the time.
void direct_tile_linear_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
void direct_tile_wide_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
/// vpmaddubsw, sums of `chunk` groups in 16 bits. 4 rows × 16 channels, layout quads_s8. Exact if
/// chunk · 2 · max(code) · max|weight| ≤ 32767.
void direct_tile_narrow_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
/// Rows by the last two, tiles of up to 6 pixels × 16 channels.
void direct_row_wide_avx2(const ProductRow& row, std::int64_t width);
void direct_row_narrow_avx2(const ProductRow& row, std::int64_t width);
#endif

}  // namespace intandem
