// What the vector kernels of the integer engine are given: plain data, nothing a compiler could
// emit a shared function for (files compiled for one instruction set must not define any).
#pragma once

#include <cstdint>

namespace intandem {

/// Codes are read and multiplied four at a time: one 32-bit group of each 4-way dot product.
inline constexpr std::int64_t kGroup = 4;

/// How far ahead weights that are met once are asked for, once, into the first-level cache; else
/// they are asked for twice, because some cores can wait for more lines in their second-level
/// cache.
inline constexpr std::int64_t kStreamAhead_bytes = 8192;

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
  std::int64_t stream_ahead_bytes = 0;  ///< 0: twice, near and far
};

/// Per-channel constants of requantization, each padded to a multiple of 64 channels.
struct RequantTables {
  const std::int32_t* m;      ///< Q4 mantissas
  const std::int32_t* n;      ///< Q4 shifts
  const std::int32_t* add_m;  ///< Q6 mantissas of the shortcut; null without one
  std::int32_t max_code;
  std::int32_t zero_point, add_zero;  ///< Q17, Q18
  /// All n ≥ 17, no shortcut, no zero point: 32-bit arithmetic does (docs/quantization.md, Q5a).
  bool quick;
};

/// The outputs of one image row and one panel of channels, from windows to codes (Q3, then Q5a):
/// the window of pixel i starts i·step codes behind that of the first. Distances are counted in
/// codes, of code_bytes() each.
struct ProductRow {
  const std::uint8_t* codes;
  std::int64_t step, pixels;
  const std::int32_t* offsets;  ///< [groups], from a window's first code
  const void* weights;          ///< [groups][width][4], 64-byte aligned
  std::int64_t groups;
  const std::int32_t* bias;  ///< [width]
  std::uint8_t* out;         ///< [pixels], out_stride bytes apart, `channels` codes each
  std::int64_t out_stride, channels;
  std::int64_t chunk;    ///< groups that may be summed in 16 bits (kernels that do)
  bool near;             ///< the weights stay in the first-level cache
  RequantTables tables;  ///< quick
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
