// Kernels of one-bit layers that look products up. Plain data only, as in kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Codes of a sextet, channels of an octet, pixels of a vector.
inline constexpr std::int64_t kSextet = 6, kOctet = 8, kLookupPixels = 64;
/// Binary digits of a count, words a vector of pixels needs for them, bytes of a packed sextet.
inline constexpr std::int64_t kCountDigits = 15, kDigitWords = 23, kSextetBytes = 40;
/// Sextets of a window: fewer than 2^8 times eight, whose carries of 128 have places to wait in.
inline constexpr std::int64_t kMostSextets = 2040;

/// Vectors of pixels that are neighbours in their planes, and an octet of channels:
///
///     count[pixel][k] = Σ_{i < sextets} table(i, k)[codes[pixel + offsets[i]]]
///
/// Digits and bits are bytes of pixels, a bit a channel.
struct BinaryLookup {
  const std::uint8_t* codes;    ///< of the first pixel; a byte is a sextet, bit 6 is 1
  const std::int64_t* offsets;  ///< [sextets], bytes
  std::int64_t sextets;         ///< a multiple of 4, at most kMostSextets
  std::int64_t vectors;
  /// [sextets][5][8], a bit a channel: the matrix whose product with a sextet is the ones digits,
  /// the last channel's row first (a sextet's bit 6 is 1 for what does not depend on the codes);
  /// ones and twos for each of the eight values of the lower three codes; the same of the upper
  /// three.
  const std::uint8_t* weights;
  /// [vectors][kDigitWords][64], 64-byte aligned: out, the first kCountDigits words of each vector.
  std::uint8_t* digits;
  const std::uint8_t* bounds;  ///< with bits: [kCountDigits] of bounds on the counts
  std::uint8_t* bits;          ///< out [vectors][64]: 1 if count < bound; null: digits are wanted
};

#if defined(__x86_64__)
/// `pixels` pixels of `channels` codes, each 0 or 1, one after the other → sextets in ⌈channels/6⌉
/// planes of a byte a pixel, bit 6 of it 1. Undefined are bit 7, the bits of channels that do not
/// exist, and up to 7 bytes behind the last pixel.
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
