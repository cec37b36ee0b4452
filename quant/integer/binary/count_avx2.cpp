// One-bit products with AVX2, which cannot count the bits of a lane: vpshufb looks up how many bits
// each half of a byte has, and bytes are added up before they are widened. A tile is up to 4
// pixels × 16 channels: 8 vectors of counts, the weights, the table and the mask fill the
// registers.
#include "quant/integer/binary/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx2.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMostPixels = 4;
constexpr std::int64_t kMostPairs = 15;  // whose counts, 16 at most in each byte, a byte holds

/// The bits of every byte.
[[gnu::always_inline]] inline __m256i count_bits(__m256i x) {
  const __m256i table =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i low = _mm256_and_si256(x, mask);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), mask);
  return _mm256_add_epi8(_mm256_shuffle_epi8(table, low), _mm256_shuffle_epi8(table, high));
}

/// Counts of 16 channels of one pixel: by bytes, or by lanes of 32 bits.
struct Counts {
  __m256i low, high;
};

[[gnu::always_inline]] inline void add_pair(Counts& counts, const char* window,
                                            const std::uint32_t* weights) {
  const __m256i first = broadcast_group(window), both = broadcast_group(window + 4);
  const __m256i low = _mm256_xor_si256(first, load(weights));
  const __m256i high = _mm256_xor_si256(first, load(weights + 8));
  counts.low = _mm256_add_epi8(counts.low, count_bits(low));
  counts.high = _mm256_add_epi8(counts.high, count_bits(high));
  // The second word is first ^ both, of the window as of the weights.
  const __m256i both_low = _mm256_xor_si256(both, load(weights + 16));
  const __m256i both_high = _mm256_xor_si256(both, load(weights + 24));
  counts.low = _mm256_add_epi8(counts.low, count_bits(_mm256_xor_si256(low, both_low)));
  counts.high = _mm256_add_epi8(counts.high, count_bits(_mm256_xor_si256(high, both_high)));
}

/// sum + the four bytes of each lane.
[[gnu::always_inline]] inline __m256i add_bytes(__m256i sum, __m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

void finish(const BinaryStrip& s, std::int64_t pixel, const Counts& count) {
  if (s.limit == nullptr) {
    std::int32_t* const acc = s.acc + pixel * kBinaryLanes;
    store(acc, _mm256_sub_epi32(load(s.start), count.low));
    store(acc + 8, _mm256_sub_epi32(load(s.start + 8), count.high));
    return;
  }
  const __m256i above = _mm256_packs_epi32(_mm256_cmpgt_epi32(count.low, load(s.limit)),
                                           _mm256_cmpgt_epi32(count.high, load(s.limit + 8)));
  // Channels 0–3, 8–11, 4–7, 12–15: the middle two of four change places.
  const __m256i words = _mm256_permute4x64_epi64(above, 0xD8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  const __m128i codes = _mm_andnot_si128(bytes, _mm_set1_epi8(1));
  const std::int64_t channels = s.channels < kBinaryLanes ? s.channels : kBinaryLanes;
  __builtin_memcpy(s.codes + pixel * s.stride, &codes, static_cast<unsigned long>(channels));
}

// `number` tiles of as many pixels as indices, from pixel `first` on.
template <int... I>
void tiles(const BinaryStrip& s, std::int64_t first, std::int64_t number, Rows<I...>) {
  constexpr int kPixels = sizeof...(I);
  const std::int64_t step = 4 * s.step;
  for (; number > 0; --number, first += kPixels) {
    const char* const window = reinterpret_cast<const char*>(s.bits) + first * step;
    const std::uint32_t* weights = s.weights;
    Counts sum[kPixels] = {};
    for (std::int64_t pair = 0; pair < s.pairs;) {
      const std::int64_t last = pair + kMostPairs < s.pairs ? pair + kMostPairs : s.pairs;
      Counts bytes[kPixels] = {};
      for (; pair < last; ++pair, weights += 2 * kBinaryLanes) {
        const char* const word = window + s.offsets[pair];
        (add_pair(bytes[I], word + I * step, weights), ...);
      }
      ((sum[I].low = add_bytes(sum[I].low, bytes[I].low),
        sum[I].high = add_bytes(sum[I].high, bytes[I].high)),
       ...);
    }
    (finish(s, first + I, sum[I]), ...);
  }
}

}  // namespace

void binary_strip_avx2(const BinaryStrip& s) {
  for_equal_tiles<kMostPixels>(s.pixels, [&](std::int64_t first, std::int64_t number, auto rows) {
    tiles(s, first, number, rows);
  });
}

void binary_pack_avx2(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                      std::uint32_t* words) {
  // Bit 0 of every byte to bit 7, where vpmovmskb finds it; no other bit is set.
  const auto word_of = [](const std::uint8_t* from) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(load(from), 7)));
  };
  for (; pixels > 0; --pixels, codes += channels) {
    for (std::int64_t c = 0; c < channels; c += 64, words += 2) {
      const std::uint8_t* from = codes + c;
      std::uint8_t rest[64] = {};
      if (channels - c < 64) {
        __builtin_memcpy(rest, from, static_cast<unsigned long>(channels - c));
        from = rest;
      }
      words[0] = word_of(from);
      words[1] = words[0] ^ word_of(from + 32);
    }
  }
}

}  // namespace intandem
#endif
