// Register-tile kernels of the direct product, one file per instruction set.
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

/// A kernel: computes tiles of up to max_rows × (width or width/2) outputs.
struct DirectKernel {
  const char* name;
  WeightLayout layout;
  std::int64_t max_rows, width;
  void (*tile)(const ProductTile& tile, std::int64_t rows, std::int64_t width);
  /// A whole image row at once, in panels of 64, 32 or 16 channels (AVX2: 16 or 8); null if there
  /// is none.
  void (*strip)(const ProductStrip& strip, std::int64_t width) = nullptr;
  void (*gather)(const SpareCodes& spares) = nullptr;  ///< for strips
  bool skips_edges = false;  ///< strips leave out what StripSpan says is 0
};

/// Largest tile of any kernel, for buffers on the stack.
inline constexpr std::int64_t kMaxTileRows = 12, kMaxTileWidth = 32;

#if defined(__x86_64__)
/// vpdpbusd: any codes. 12 rows × 32 channels.
void direct_tile_avx512vnni(const ProductTile& tile, std::int64_t rows, std::int64_t width);
void direct_strip_avx512vnni(const ProductStrip& strip, std::int64_t width);
void direct_gather_avx512vnni(const SpareCodes& spares);
/// vpmaddwd on 16 bits: any codes. 6 rows × 16 channels, layout pairs_s16, or pairs_s8 where the
/// weights come from memory and their size is the time.
void direct_tile_linear_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
void direct_tile_wide_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
/// vpmaddubsw, sums of `chunk` groups in 16 bits. 4 rows × 16 channels, layout quads_s8. Exact if
/// chunk · 2 · max(code) · max|weight| ≤ 32767.
void direct_tile_narrow_avx2(const ProductTile& tile, std::int64_t rows, std::int64_t width);
/// Strips of the last two, tiles of up to 6 pixels × 16 channels.
void direct_strip_wide_avx2(const ProductStrip& strip, std::int64_t width);
void direct_strip_narrow_avx2(const ProductStrip& strip, std::int64_t width);
void direct_gather_wide_avx2(const SpareCodes& spares);
void direct_gather_avx2(const SpareCodes& spares);
#endif

}  // namespace intandem
