// The direct product with AVX2, which has no 8-bit dot product that is exact for all codes:
//
//  - wide: vpmaddubsw adds two u8·s8 products in 16 bits and saturates (2·255·128 > 32767), so
//    codes and weights are 16 bits wide and vpmaddwd adds two products in 32 bits.
//    |a·w + a'·w'| ≤ 2·255·128 < 2^31, so nothing saturates. The driver's copy widens the codes;
//    weights are widened when packed, or when loaded where reading them is what takes the time.
//  - narrow: when chunk · 2 · max(code) · max|weight| ≤ 32767 the 16-bit lanes can hold the sums of
//    `chunk` groups: vpmaddubsw + vpaddw are exact, and only every chunk-th time the lanes are
//    widened by vpmaddwd with ones. 4-bit codes with 4-bit weights: chunk = 32767 / (2·15·8) = 136.
//
// A wide tile is up to 6 rows × 16 channels: 12 accumulators, two vectors of weights, a pair of
// codes and a product fill the 16 registers. A multiplication and an addition per 16 products, on
// three ports: at most 24 products per cycle. A narrow tile is up to 4 rows × 16 channels.
#include "quant/integer/direct/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx2.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kAhead_bytes = 1024;  // of weights, fetched ahead

// acc + Σ of two products per lane; |acc| stays below 2^31 by Q7.
[[gnu::always_inline]] inline __m256i multiply_add(__m256i acc, __m256i codes, __m256i weights) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(codes, weights));
}

// Two weights each of 8 channels, 16 bits wide.
[[gnu::always_inline]] inline __m256i load_pairs(const std::int16_t* weights) {
  return load(weights);
}
[[gnu::always_inline]] inline __m256i load_pairs(const std::int8_t* weights) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weights)));
}

// Fold expressions instead of loops, for the reason given in direct/tiles_avx512vnni.cpp. kVectors
// is 1 or 2; with one, the compiler drops everything about `high`.
template <class Weight, int kVectors, int... I>
void product_wide(const ProductTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I), kWidth = 8 * kVectors;
  constexpr bool kBoth = kVectors == 2;
  const auto* weights = static_cast<const Weight*>(t.weights);
  __m256i low[kRows], high[kRows];
  ((low[I] = load(t.bias), high[I] = kBoth ? load(t.bias + 8) : low[I]), ...);
  const std::uint8_t* const* rows = t.rows;
  const std::int64_t end = 2 * kGroup * t.groups;  // bytes: codes have two
  for (std::int64_t tap = 0; tap < t.taps; ++tap, rows += kRows) {
    const std::uint8_t* const row[kRows] = {rows[I]...};
    for (std::int64_t j = 0; j < end; j += 4, weights += 2 * kWidth) {
      const __m256i weights_low = load_pairs(weights);
      const __m256i weights_high = kBoth ? load_pairs(weights + 16) : weights_low;
      _mm_prefetch(reinterpret_cast<const std::uint8_t*>(weights) + kAhead_bytes, _MM_HINT_T0);
      __m256i codes;
      ((codes = broadcast_group(row[I] + j), low[I] = multiply_add(low[I], codes, weights_low),
        high[I] = kBoth ? multiply_add(high[I], codes, weights_high) : high[I]),
       ...);
    }
  }
  (store(t.acc + kWidth * I, low[I]), ...);
  if (kBoth) (store(t.acc + kWidth * I + 8, high[I]), ...);
}

template <class Weight>
void tile_wide(const ProductTile& t, std::int64_t rows, std::int64_t width) {
  with_rows<6>(rows, [&](auto each) {
    width == 16 ? product_wide<Weight, 2>(t, each) : product_wide<Weight, 1>(t, each);
  });
}

// Adds the 16-bit sums of a chunk to the 32-bit accumulators in memory.
[[gnu::always_inline]] inline void widen_into(std::int32_t* acc, __m256i sums) {
  store(acc, multiply_add(load(acc), _mm256_set1_epi16(1), sums));
}

template <int kVectors, int... I>
void product_narrow(const ProductTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I), kWidth = 8 * kVectors;
  constexpr bool kBoth = kVectors == 2;
  const auto* weights = static_cast<const std::int8_t*>(t.weights);
  (store(t.acc + kWidth * I, load(t.bias)), ...);
  if (kBoth) (store(t.acc + kWidth * I + 8, load(t.bias + 8)), ...);
  const std::uint8_t* const* rows = t.rows;
  for (std::int64_t tap = 0; tap < t.taps; ++tap, rows += kRows) {
    const std::uint8_t* const row[kRows] = {rows[I]...};
    for (std::int64_t group = 0; group < t.groups; group += t.chunk) {
      const std::int64_t last = group + t.chunk < t.groups ? group + t.chunk : t.groups;
      __m256i low[kRows], high[kRows], codes;
      ((low[I] = high[I] = _mm256_setzero_si256()), ...);
      for (std::int64_t j = kGroup * group; j < kGroup * last; j += kGroup, weights += 4 * kWidth) {
        const __m256i weights_low = load(weights);
        const __m256i weights_high = kBoth ? load(weights + 32) : weights_low;
        ((codes = broadcast_group(row[I] + j),
          low[I] = _mm256_add_epi16(low[I], _mm256_maddubs_epi16(codes, weights_low)),
          high[I] = _mm256_add_epi16(high[I], _mm256_maddubs_epi16(codes, weights_high))),
         ...);
      }
      (widen_into(t.acc + kWidth * I, low[I]), ...);
      if (kBoth) (widen_into(t.acc + kWidth * I + 8, high[I]), ...);
    }
  }
}

}  // namespace

void direct_tile_wide_avx2(const ProductTile& t, std::int64_t rows, std::int64_t width) {
  tile_wide<std::int16_t>(t, rows, width);
}

void direct_tile_linear_avx2(const ProductTile& t, std::int64_t rows, std::int64_t width) {
  tile_wide<std::int8_t>(t, rows, width);
}

void direct_tile_narrow_avx2(const ProductTile& t, std::int64_t rows, std::int64_t width) {
  with_rows<4>(rows, [&](auto each) {
    width == 16 ? product_narrow<2>(t, each) : product_narrow<1>(t, each);
  });
}

}  // namespace intandem
#endif
