// Kernels of layers of one-bit weights and codes. Plain data only, as in kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Output channels of a panel; words of a window are a multiple of kBinaryStep.
inline constexpr std::int64_t kBinaryLanes = 16, kBinaryStep = 4;

/// One output pixel, `panels` panels of channels:
///     acc[k] = bias[k] + 2·popcount(window & weights(k)) − ones
/// which is bias[k] + Σ ±a: a weight bit is 1 for +1 and 0 for −1, ones = popcount(window).
struct BinaryRow {
  const std::uint32_t* window;   ///< [words] codes of the window, 32 channels a word
  std::int64_t words;            ///< a multiple of kBinaryStep
  const std::uint32_t* weights;  ///< [panels][words][kBinaryLanes], 64-byte aligned
  std::int64_t panels;
  const std::int32_t* bias;  ///< [panels·kBinaryLanes]
  std::int32_t ones;
  std::int32_t* acc;  ///< out: [panels·kBinaryLanes]
};

/// Neighbouring output pixels of one image row and one panel of channels, for the kernel with
/// vpopcntd. Words come in pairs, kept as (first, first ^ second); see docs/kernels.md. With
/// count = popcount(window ^ weights), the accumulator is start − count.
struct BinaryStrip {
  const std::uint32_t* bits;    ///< the first pixel's window
  std::int64_t step;            ///< words from window to window
  const std::int64_t* offsets;  ///< [pairs]: bytes from the start of a window to its pairs of words
  std::int64_t pixels, pairs;
  const std::uint32_t* weights;  ///< [pairs][2][kBinaryLanes], 64-byte aligned
  const std::int32_t* start;     ///< [kBinaryLanes]: bias + bits of the weights
  const std::int32_t*
      limit;            ///< [kBinaryLanes]: the code is 1 if count ≤ limit; null: accumulators
  std::uint8_t* codes;  ///< out with limit: [pixels], `stride` apart, `channels` codes each
  std::int64_t stride, channels;
  std::int32_t* acc;  ///< out without limit: [pixels][kBinaryLanes]
};

struct BinaryKernels {
  const char* isa;
  void (*count)(const BinaryRow& row);
  /// `count` codes, each 0 or 1 → ⌈count/32⌉ words, code i in bit i mod 32 of word i/32.
  void (*pack)(const std::uint8_t* codes, std::int64_t count, std::uint32_t* words);
};

void binary_count_ref(const BinaryRow& row);
void binary_pack_ref(const std::uint8_t* codes, std::int64_t count, std::uint32_t* words);
#if defined(__x86_64__)
void binary_count_avx2(const BinaryRow& row);
void binary_pack_avx2(const std::uint8_t* codes, std::int64_t count, std::uint32_t* words);
void binary_count_avx512(const BinaryRow& row);
void binary_strip_avx512vpopcnt(const BinaryStrip& strip);
/// `pixels` pixels of `channels` codes, each 0 or 1, one after the other → their words in pairs, 64
/// channels a pair.
void binary_pack_avx512vpopcnt(const std::uint8_t* codes, std::int64_t pixels,
                               std::int64_t channels, std::uint32_t* words);
#endif

}  // namespace intandem
