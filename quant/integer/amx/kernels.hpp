// Kernels on AMX tile registers. Plain data only, as in kernel_args.hpp.
//
// A tile register holds 16 rows of 64 bytes. tdpbusd multiplies a tile of codes (a row per pixel,
// 64 codes of its window each) with a tile of weights (row g: codes 4g … 4g + 3 of 16 channels) and
// adds to a tile of 16 pixels × 16 channels, modulo 2³²:
//
//     acc[i][k] += Σ_{g < 16, j < 4} codes[i][4g + j] · weights[g][k][j]
#pragma once

#include <cstdint>

#include "quant/integer/kernel_args.hpp"

namespace intandem {

/// Codes of a step, most rows of a tile, channels of a block, and of a panel of two blocks.
inline constexpr std::int64_t kTileCodes = 64, kTileRows = 16, kTileChannels = 16,
                              kTilePanel = 2 * kTileChannels;
/// Bytes of a tile of weights.
inline constexpr std::int64_t kWeightTileBytes = kTileCodes * kTileChannels;

/// The product of one or two tiles of pixels with one or two blocks of channels:
///
///     sums[t][i][k] = bias[k] + Σ_{s < steps, c < 64} codes[t][i·stride + offsets[s] + c] · w(s,
///     c, k)
struct AmxProduct {
  const std::uint8_t* codes[2];  ///< the window of the first pixel of each tile
  std::int64_t stride;           ///< bytes from one pixel's window to the next one's
  const std::int32_t* offsets;   ///< [steps], from a window's first byte
  std::int64_t steps;
  const std::int8_t* weights;  ///< [steps][blocks][16][16][4]
  const std::int32_t* bias;    ///< [16·blocks]
  const std::uint8_t* fetch;   ///< codes wanted soon, to be fetched into the second-level cache:
  std::int64_t fetch_lines;    ///< so many lines of them in each step but the first and the last
};

/// The rows of sums [2][16][32] that are wanted and where their codes go, as distances from the
/// first. After an odd count the last row stands once more.
struct AmxRows {
  std::int64_t count;
  std::int32_t sums[2 * kTileRows];
  std::int64_t codes[2 * kTileRows];
};

/// Requantization (Q5a) of one product's sums while the next is computed: 32 channels of each row.
struct AmxFinish {
  const AmxRows* rows;
  std::uint8_t* codes;
  RequantTables tables;  ///< quick
};

/// Windows laid side by side, their kernel rows one after the other: for i < pixels, r < rows,
/// codes[i·pitch + r·row_codes + c] = sources[i][r·row_step + c], c < row_codes. Writes up to 63
/// bytes past each window's last code and reads nothing beyond the rows.
struct AmxGather {
  const std::uint8_t* const* sources;  ///< [pixels]
  std::int64_t pixels, rows, row_codes, row_step;
  std::uint8_t* codes;
  std::int64_t pitch;
};

#if defined(__x86_64__)
/// Makes tile registers ready for tiles of `rows` pixels, 1 … 16, on the calling thread, until
/// amx_release: between the two no other code may use them.
void amx_configure(std::int64_t rows);
void amx_release();
/// Leaves the sums in registers, and writes those of the product before it (anything, if there is
/// none) to previous [2][16][32], 64-byte aligned, where they are requantized if finish is not
/// null. tiles and blocks: 1 or 2.
void amx_product(const AmxProduct& product, std::int64_t tiles, std::int64_t blocks,
                 std::int32_t* previous, const AmxFinish* finish);
/// Writes the sums of the last product to sums [2][16][32].
void amx_store(std::int32_t* sums);
void amx_gather(const AmxGather& gather);
#endif

}  // namespace intandem
