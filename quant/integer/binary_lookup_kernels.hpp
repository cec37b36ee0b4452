// Kernels of one-bit layers that look products up. Plain data only, as in kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Codes of a sextet, channels of an octet, pixels of a vector.
inline constexpr std::int64_t kSextet = 6, kOctet = 8, kLookupPixels = 64;
/// Binary digits of a count, sextets whose tables are at hand at a time, bytes of a packed sextet.
inline constexpr std::int64_t kCountDigits = 14, kTableSextets = 128, kSextetBytes = 40;

/// Vectors of pixels that are neighbours in their planes, and an octet of channels:
///
///     count[pixel][k] = Σ_{i < sextets} table(i, k)[codes[pixel + offsets[i]]]
///
/// Digits and bits are bytes of pixels, a bit a channel.
struct BinaryLookup {
  const std::uint8_t* codes;    ///< of the first pixel; a byte is a sextet, bit 6 is 1
  const std::int64_t* offsets;  ///< [sextets], bytes
  std::int64_t sextets;         ///< a multiple of 4
  std::int64_t vectors;
  /// [sextets][5][8], a bit a channel: the matrix whose product with a sextet is the ones digits,
  /// the last channel's row first (a sextet's bit 6 is 1 for what does not depend on the codes);
  /// ones and twos for each of the eight values of the lower three codes; the same of the upper
  /// three.
  const std::uint8_t* weights;
  std::uint8_t* tables;  ///< scratch [kTableSextets][2][64], 64-byte aligned
  std::uint8_t* digits;  ///< [vectors][kCountDigits][64], aligned: out, but scratch with bits
  const std::uint8_t*
      bounds;          ///< [kCountDigits], digits of bounds on the counts; unused without bits
  std::uint8_t* bits;  ///< out [vectors][64]: 1 if count < bound; null: digits are wanted
};

#if defined(__x86_64__)
/// `pixels` pixels of `channels` codes, each 0 or 1, one after the other → sextets in ⌈channels/6⌉
/// planes of a byte a pixel, bit 6 of it 1, bit 7 undefined, as are up to 7 bytes behind the last.
void lookup_pack_avx512vbmi(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                            std::uint8_t* planes, std::int64_t plane_bytes);
void lookup_count_avx512vbmi(const BinaryLookup& lookup);
/// Digits of a vector of pixels → acc[pixel·stride + k] = start[k] − count.
void lookup_sums_avx512vbmi(const std::uint8_t* digits, const std::int32_t* start,
                            std::int32_t* acc, std::int64_t stride);
/// bits [octets][vectors·64] → words [vectors·64], at most 64 channels each.
void lookup_words_avx512vbmi(const std::uint8_t* bits, std::int64_t octets, std::int64_t vectors,
                             std::uint64_t* words);
/// codes[pixel·stride + k] = bit k of words[pixel], k < channels ≤ 64.
void lookup_codes_avx512vbmi(const std::uint64_t* words, std::int64_t pixels, std::uint8_t* codes,
                             std::int64_t stride, std::int64_t channels);
#endif

}  // namespace intandem
