// Kernels of one-bit layers that look four products up at a time. Plain data only, as in
// kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Codes of a nibble; channels of a full panel. The last one may have half of them.
inline constexpr std::int64_t kNibble = 4, kNibblePanel = 64;
/// Nibbles whose counts, 4 each at most, fit a byte.
inline constexpr std::int64_t kMostNibbles = 63;
/// Nibbles of a window: counts are compared as signed 16-bit numbers.
inline constexpr std::int64_t kMostWindowNibbles = 8191;

/// Neighbouring nibbles of a window. After the last ones that bytes can count the counts are added
/// to wider sums.
struct NibbleSpan {
  std::int64_t offset;  ///< bytes from the window's beginning
  std::int64_t
      nibbles;  ///< with those of the spans before it, back to one that ends: ≤ kMostNibbles
  bool ends;
};

/// Neighbouring output pixels of one image row and a panel of `width` channels:
///
///     count[i][k] = Σ_j popcount(codes[i·step + j] / 16 ^ weights[j][k])
///
/// over the nibbles j of the window, i < pixels. 16-bit values of 32 channels stand
/// in the order of vpunpck[lh]bw: channels 0–7, 16–23, 8–15, 24–31.
struct NibbleStrip {
  const std::uint8_t* codes;  ///< of the first pixel's window; a byte is 16 · a nibble
  std::int64_t step, pixels;
  const NibbleSpan* spans;
  std::int64_t span_count;      ///< the last one ends
  const std::uint8_t* weights;  ///< [nibbles][width], 0 … 15
  std::int64_t width;           ///< 64 or 32
  const std::int16_t* bounds;   ///< [width], in that order: the code is count < bound; or null
  std::uint8_t* out;            ///< with bounds: [pixels], `stride` apart, `channels` codes each
  std::int64_t stride, channels;
  const std::int32_t* start;  ///< without bounds: acc[i·width + k] = start[k] − count
  std::int32_t* acc;
};

#if defined(__x86_64__)
/// `pixels` pixels of `channels` codes, each 0 or 1, one after the other → ⌈channels/4⌉ bytes each:
/// 16 times the nibble, code j of it in bit j; what is no channel is 0.
void nibble_pack_avx2(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                      std::uint8_t* nibbles);
void nibble_strip_avx2(const NibbleStrip& strip);
#endif

}  // namespace intandem
