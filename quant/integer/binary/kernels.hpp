// Kernels of layers of one-bit weights and codes. Plain data only, as in kernel_args.hpp.
#pragma once

#include <cstdint>

namespace intandem {

/// Output channels of a panel.
inline constexpr std::int64_t kBinaryLanes = 16;

/// Neighbouring output pixels of one image row and one panel of channels. Words come in pairs, kept
/// as (first, first ^ second); see docs/kernels.md. With count = popcount(window ^ weights), the
/// accumulator is start − count.
struct BinaryStrip {
  const std::uint32_t* bits;    ///< the first pixel's window
  std::int64_t step;            ///< words from window to window
  const std::int64_t* offsets;  ///< [pairs]: bytes from the start of a window to its pairs of words
  std::int64_t pixels, pairs;
  const std::uint32_t* weights;  ///< [pairs][2][kBinaryLanes], 64-byte aligned
  const std::int32_t* start;     ///< [kBinaryLanes]: bias + bits of the weights
  /// [kBinaryLanes]: the code is 1 if count ≤ limit; null: accumulators are wanted
  const std::int32_t* limit;
  std::uint8_t* codes;  ///< out with limit: [pixels], `stride` apart, `channels` codes each
  std::int64_t stride, channels;
  std::int32_t* acc;  ///< out without limit: [pixels][kBinaryLanes]
};

struct BinaryKernel {
  const char* isa;
  void (*strip)(const BinaryStrip& strip);
  /// `pixels` pixels of `channels` codes, each 0 or 1, one after the other → their words in pairs,
  /// 64 channels a pair.
  void (*pack)(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
               std::uint32_t* words);
  /// For the estimate: a pair of words takes as many instructions as so many products do.
  std::int64_t pair_products;
};

#if defined(__x86_64__)
void binary_strip_avx512vpopcnt(const BinaryStrip& strip);
void binary_strip_avx2(const BinaryStrip& strip);
void binary_pack_avx2(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                      std::uint32_t* words);
#endif

}  // namespace intandem
