// Kernels of fully connected layers with weights packed to 4 or 2 bits. Plain data only, as in
// kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Channels of a panel, the codes a vector kernel takes at a time, and the multiple of codes a row
/// is padded to.
inline constexpr std::int64_t kPackedWidth = 32, kPackedBlock = 16, kPackedCodes = 64;

/// A tile of `rows` images × one panel of 32 output channels:
///
///     acc[i][k] = bias[k] − correction[i] + (Σ_c u(c,k) · codes[i][c]) << shift
///
/// where u are the unsigned packed codes, q_w = (u << shift) − offset and correction = offset·Σ_c
/// codes. Sums are modulo 2^32, which is exact because the result obeys Q7.
///
/// Panel layout, 64 bytes per group of four codes at 4 bits: byte 4·k + j holds u(4g+j, k) in its
/// low nibble and u(4g+j, k+16) in its high one, k < 16. At 2 bits 64 bytes hold two groups: bits
/// 0–1 and 2–3 as above for the first group, 4–5 and 6–7 for the second.
struct PackedTile {
  const std::uint8_t* weights;
  const std::uint8_t* codes;            ///< [rows][stride], 0 … 127, padded with zeros
  std::int64_t stride;                  ///< a multiple of kPackedCodes
  const std::int32_t* bias;             ///< [32]
  const std::int32_t* correction;       ///< [rows]
  std::int64_t shift;                   ///< 0 or 1
  std::int64_t chunk;                   ///< groups that may be summed in 16 bits (AVX2), even
  std::int32_t* acc;                    ///< [rows][32], 64-byte aligned
  std::int64_t stream_ahead_bytes = 0;  ///< 0: twice, near and far
};

/// Rows per tile: at most this.
inline constexpr std::int64_t kPackedRows = 8;

using PackedTileFn = void (*)(const PackedTile& tile, std::int64_t rows);

#if defined(__x86_64__)
void fc_packed4_avx512vnni(const PackedTile& tile, std::int64_t rows);
void fc_packed2_avx512vnni(const PackedTile& tile, std::int64_t rows);
void fc_packed4_avx2(const PackedTile& tile, std::int64_t rows);
void fc_packed2_avx2(const PackedTile& tile, std::int64_t rows);
#endif

}  // namespace intandem
