// One-bit products looked up with AVX2: vpshufb finds for 32 channels, whose weights for four codes
// are a number 0 … 15 each, in how many places they differ from the codes of a pixel. The table of
// sixteen counts depends on those codes alone, so that sixteen tables are all there are.
//
// A tile is up to 6 pixels × 64 channels: 12 sums of bytes, two vectors of weights, a table and a
// count fill the 16 registers. A look-up and an addition per 128 products.
#include "quant/integer/binary/nibble_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTilePixels = 6;

/// tables.count[a][w]: places in which the nibbles a and w differ.
struct Tables {
  std::uint8_t count[16][16];
};
constexpr Tables make_tables() {
  Tables tables{};
  for (unsigned a = 0; a < 16; ++a) {
    for (unsigned w = 0; w < 16; ++w) {
      const unsigned d = a ^ w;
      tables.count[a][w] =
          static_cast<std::uint8_t>((d & 1) + (d >> 1 & 1) + (d >> 2 & 1) + (d >> 3));
    }
  }
  return tables;
}
alignas(64) constexpr Tables kTables = make_tables();

[[gnu::always_inline]] inline __m256i table_of(std::uint8_t code) {
  const auto* table = reinterpret_cast<const std::uint8_t*>(&kTables) + code;
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
}

[[gnu::always_inline]] inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
[[gnu::always_inline]] inline void store(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}

template <int kVectors>
[[gnu::always_inline]] inline void clear(__m256i (&sum)[kVectors]) {
  for (__m256i& x : sum) x = _mm256_setzero_si256();
}

/// sum[v] += counts of the channels of vector v.
template <int kVectors>
[[gnu::always_inline]] inline void add_counts(__m256i (&sum)[kVectors], __m256i table,
                                              const __m256i (&weights)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = _mm256_add_epi8(sum[v], _mm256_shuffle_epi8(table, weights[v]));
  }
}

/// sums (+)= bytes, which become zero.
template <int kVectors>
[[gnu::always_inline]] inline void widen(std::uint16_t* sums, __m256i (&bytes)[kVectors],
                                         bool is_first) {
  for (int v = 0; v < kVectors; ++v, sums += 32) {
    __m256i low = _mm256_unpacklo_epi8(bytes[v], _mm256_setzero_si256());
    __m256i high = _mm256_unpackhi_epi8(bytes[v], _mm256_setzero_si256());
    if (!is_first) {
      low = _mm256_add_epi16(low, load(sums));
      high = _mm256_add_epi16(high, load(sums + 16));
    }
    store(sums, low);
    store(sums + 16, high);
  }
  clear(bytes);
}

/// Counts of as many pixels as indices: sums [pixels][32·kVectors].
template <int kVectors, int... I>
void count_tile(const NibbleStrip& s, const std::uint8_t* codes, std::uint16_t* sums, Rows<I...>) {
  constexpr int kWidth = 32 * kVectors;
  const Equidistant windows(s.step);
  __m256i sum[sizeof...(I)][kVectors];
  (clear(sum[I]), ...);
  const std::uint8_t* weights = s.weights;
  bool is_first = true;
  for (const NibbleSpan *span = s.spans, *last = span + s.span_count; span < last; ++span) {
    const std::uint8_t* nibble = codes + span->offset;
    for (const std::uint8_t* end = nibble + span->nibbles; nibble < end;
         ++nibble, weights += kWidth) {
      __m256i w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = load(weights + 32 * v);
      (add_counts(sum[I], table_of(nibble[windows[I]]), w), ...);
    }
    if (!span->ends) continue;
    (widen(sums + kWidth * I, sum[I], is_first), ...);
    is_first = false;
  }
}

/// Codes of one bit of one pixel.
void store_bits(const NibbleStrip& s, const std::uint16_t* sums, std::uint8_t* out) {
  alignas(32) std::uint8_t codes[kNibblePanel];
  std::uint8_t* to = s.channels == s.width ? out : codes;
  for (std::int64_t k = 0; k < s.width; k += 32) {
    const __m256i low = _mm256_cmpgt_epi16(load(s.bounds + k), load(sums + k));
    const __m256i high = _mm256_cmpgt_epi16(load(s.bounds + k + 16), load(sums + k + 16));
    store(to + k, _mm256_and_si256(_mm256_packs_epi16(low, high), _mm256_set1_epi8(1)));
  }
  if (to == codes) __builtin_memcpy(out, codes, static_cast<unsigned long>(s.channels));
}

/// Accumulators of one pixel.
void store_sums(const NibbleStrip& s, const std::uint16_t* sums, std::int32_t* acc) {
  for (std::int64_t k = 0; k < s.width; k += 8) {
    const std::int64_t at = k / 32 * 32 + (k % 16) * 2 + k % 32 / 16 * 8;
    const __m256i count =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sums + at)));
    store(acc + k, _mm256_sub_epi32(load(s.start + k), count));
  }
}

}  // namespace

void nibble_strip_avx2(const NibbleStrip& s) {
  alignas(32) std::uint16_t sums[kTilePixels * kNibblePanel];
  const std::int64_t tiles = (s.pixels + kTilePixels - 1) / kTilePixels;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = s.pixels * t / tiles, last = s.pixels * (t + 1) / tiles;
    const std::uint8_t* codes = s.codes + first * s.step;
    with_rows<kTilePixels>(last - first, [&](auto rows) {
      s.width > 32 ? count_tile<2>(s, codes, sums, rows) : count_tile<1>(s, codes, sums, rows);
    });
    for (std::int64_t i = first; i < last; ++i) {
      const std::uint16_t* of_pixel = sums + (i - first) * s.width;
      s.bounds != nullptr ? store_bits(s, of_pixel, s.out + i * s.stride)
                          : store_sums(s, of_pixel, s.acc + i * s.width);
    }
  }
}

void nibble_pack_avx2(const std::uint8_t* codes, std::int64_t pixels, std::int64_t channels,
                      std::uint8_t* nibbles) {
  // Where pixels are whole nibbles, all of them are one long one.
  const std::int64_t count = channels % kNibble == 0 ? pixels * channels : channels;
  const std::int64_t runs = channels % kNibble == 0 ? 1 : pixels;
  const __m256i shifts = _mm256_set1_epi32(static_cast<int>(0x80402010)),
                ones = _mm256_set1_epi16(1);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const auto nibbles_of = [&](const std::uint8_t* p) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(shifts, load(p)), ones);
  };
  for (std::int64_t run = 0; run < runs; ++run, codes += count) {
    std::int64_t i = 0;
    for (; i + 128 <= count; i += 128, nibbles += 32) {
      const __m256i a = _mm256_packs_epi32(nibbles_of(codes + i), nibbles_of(codes + i + 32));
      const __m256i b = _mm256_packs_epi32(nibbles_of(codes + i + 64), nibbles_of(codes + i + 96));
      store(nibbles, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order));
    }
    for (; i < count; i += kNibble) {
      unsigned nibble = 0;
      for (std::int64_t j = 0; j < kNibble && i + j < count; ++j)
        nibble |= codes[i + j] * (16u << j);
      *nibbles++ = static_cast<std::uint8_t>(nibble);
    }
  }
}

}  // namespace intandem
#endif
