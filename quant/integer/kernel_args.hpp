// What the vector kernels of the integer engine are given: plain data, nothing a compiler could
// emit a shared function for (files compiled for one instruction set must not define any).
#pragma once

#include <cstdint>

namespace intandem {

/// Codes are read and multiplied four at a time: one 32-bit group of each 4-way dot product.
inline constexpr std::int64_t kGroup = 4;

/// One register tile of a direct product (Q3):
///
///     acc[i][k] = bias[k] + Σ_{tap, j < 4·groups} rows[tap·height + i][j] · weight(tap, j, k)
///
/// for i < height, k < width. height and width are bounded by the kernel (DirectKernel).
struct ProductTile {
  const std::uint8_t* const* rows;  ///< [taps][height] pointers to 4·groups codes of code_bytes()
  std::int64_t taps, groups;
  const void* weights;                  ///< packed as the kernel wants them
  const std::int32_t* bias;             ///< [width]
  std::int32_t* acc;                    ///< [height][width], 64-byte aligned
  std::int64_t chunk;                   ///< groups that may be summed in 16 bits (kernels that do)
  std::int64_t stream_ahead_bytes = 0;  ///< CpuTraits', for weights that are met once
};

/// Per-channel constants of requantization, each padded to a multiple of 64 channels.
struct RequantTables {
  const std::int32_t* m;  ///< Q4 mantissas
  const std::int32_t* n;  ///< Q4 shifts
  const std::int32_t*
      ceiling;                ///< least accumulator whose code is max_code (see requant_block.hpp)
  const std::int32_t* add_m;  ///< Q6 mantissas of the shortcut; null without one
  std::int32_t max_code;
  std::int32_t zero_point, add_zero;  ///< Q17, Q18
  /// All n ≥ 17, no shortcut, no zero point: 32-bit arithmetic does (docs/quantization.md, Q5a).
  bool quick;
};

/// Groups of a window that a strip multiplies one after the other. Group g lies offsets[g] codes
/// from the window's beginning. For the first and the last few pixels of the row all its codes are
/// 0.
struct StripSpan {
  const std::int32_t* offsets;  ///< [groups]
  const void* weights;          ///< [groups][width][4], 64-byte aligned
  std::int64_t groups;
  std::int64_t outside_first, outside_last;  ///< pixels, at most kMaxOutside, one of them 0
};
inline constexpr std::int64_t kMaxSpans = 5, kMaxOutside = 2;

/// The outputs of one image row and one panel of channels, from windows to codes (Q3, then Q5a):
/// the window of pixel i starts i·step codes behind that of the first. Distances are counted in
/// codes, of code_bytes() each.
struct ProductStrip {
  const std::uint8_t* codes;
  std::int64_t step, pixels;
  std::int64_t most_pixels;  ///< of a tile, where the kernel has a choice (VNNI): 7, 6 or 14
  const StripSpan* spans;
  std::int64_t span_count;
  const std::int32_t* bias;  ///< [width]
  std::uint8_t* out;         ///< [pixels], out_stride bytes apart, `channels` codes each
  std::int64_t out_stride, channels;
  std::int64_t chunk;    ///< groups that may be summed in 16 bits (kernels that do)
  bool near;             ///< the weights of all spans stay in the first-level cache
  bool streams;          ///< past the caches: whole lines of 64 codes, nothing reads them soon
  RequantTables tables;  ///< quick
};

/// Spare codes of kernel rows into a row of their own (strip_window.hpp):
///
///     out[i·step + r·rest + l] = codes[i·step + r·row_stride + l]       r < rows, l < rest
///
/// for i < pixels; the others of out are undefined. rows·rest ≤ step ≤ 64. Codes have code_bytes()
/// each.
struct SpareCodes {
  const std::uint8_t* codes;
  std::int64_t step, pixels, rows, row_stride, rest;
  std::uint8_t* out;
};

/// Q5, or Q6 if shortcut is not null, on a block of accumulators: rows × channels. Channel k of the
/// block uses entry k of the tables.
struct RequantBlock {
  const std::int32_t* acc;       ///< [rows][acc_stride]; readable up to a multiple of 16 channels
  const std::uint8_t* shortcut;  ///< [rows][code_stride] or null
  std::uint8_t* codes;           ///< [rows][code_stride]
  std::int64_t rows, channels, acc_stride, code_stride;
  RequantTables tables;
};

}  // namespace intandem
