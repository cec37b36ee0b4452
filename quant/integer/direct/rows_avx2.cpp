// Rows of outputs with AVX2, as direct/rows_avx512vnni.cpp has them: all of an image row in one
// call, requantized in registers. The products are those of direct/tiles_avx2.cpp: wide ones of
// 16-bit codes and weights, and narrow ones, up to `chunk` groups of them summed in 16 bits.
//
// A tile is up to 6 pixels × 16 channels: 12 vectors of sums, two of weights, the codes of a pixel
// and a product fill the 16 registers.
#include "quant/integer/direct/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx2.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kAhead_bytes = 1024;  // of weights, fetched ahead
constexpr std::int64_t kTilePixels = 6;

alignas(32) constexpr std::int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/// Two codes of 16 bits with two weights each of 8 channels, in 32 bits.
struct Wide {
  using Code = std::uint16_t;
  static constexpr int kSteps = 2;  // of a group
  [[gnu::always_inline]] static __m256i multiply(__m256i codes, __m256i weights) {
    return _mm256_madd_epi16(codes, weights);
  }
  [[gnu::always_inline]] static __m256i add(__m256i x, __m256i y) { return _mm256_add_epi32(x, y); }
};

/// Four codes of 8 bits with four weights each of 8 channels: two sums of 16 bits.
struct Narrow {
  using Code = std::uint8_t;
  static constexpr int kSteps = 1;
  [[gnu::always_inline]] static __m256i multiply(__m256i codes, __m256i weights) {
    return _mm256_maddubs_epi16(codes, weights);
  }
  [[gnu::always_inline]] static __m256i add(__m256i x, __m256i y) { return _mm256_add_epi16(x, y); }
};

/// sum[v] += codes · weights[v].
template <class Kind, int kVectors>
[[gnu::always_inline]] inline void add_products(__m256i (&sum)[kVectors], __m256i codes,
                                                const __m256i (&weights)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = Kind::add(sum[v], Kind::multiply(codes, weights[v]));
  }
}

template <int kVectors>
[[gnu::always_inline]] inline void keep(__m256i (&sum)[kVectors]) {
  for (__m256i& x : sum) asm("" : "+x"(x));
}

/// Groups `first` … `last` − 1 for as many pixels as indices. Returns the weights behind.
template <class Kind, int kVectors, int... I>
[[gnu::always_inline]] inline const std::uint8_t* multiply_groups(
    __m256i (&sum)[sizeof...(I)][kVectors], const std::uint8_t* window, const Equidistant& windows,
    const std::int32_t* first, const std::int32_t* last, const std::uint8_t* weights, bool fetches,
    Rows<I...>) {
  for (const std::int32_t* offset = first; offset < last; ++offset) {
    const std::uint8_t* codes = window + *offset * std::int64_t{sizeof(typename Kind::Code)};
    for (int step = 0; step < Kind::kSteps; ++step, codes += 4, weights += 32 * kVectors) {
      __m256i w[kVectors];
      for (int v = 0; v < kVectors; ++v) w[v] = load(weights + 32 * v);
      if (fetches) _mm_prefetch(weights + kAhead_bytes, _MM_HINT_T0);
      (add_products<Kind>(sum[I], broadcast_group(codes + windows[I]), w), ...);
      // Or the compiler adds the products of two steps first and has no registers for them.
      (keep(sum[I]), ...);
    }
  }
  return weights;
}

/// Codes of one pixel, from sums of 8 channels a vector.
template <int kVectors>
[[gnu::always_inline]] inline void store_codes(const ProductRow& s, std::uint8_t* out,
                                               const __m256i (&sum)[kVectors],
                                               const QuickRequant* steps) {
  const __m256i low = quick_step(sum[0], steps[0]);
  const __m256i high = kVectors > 1 ? quick_step(sum[kVectors - 1], steps[kVectors - 1]) : low;
  // The packs saturate, so that only the upper clamp is left, and work by halves of vectors: fours
  // of channels 0, 2 and 1, 3 (with one vector 0, 0 and 1, 1).
  const __m256i words = _mm256_packs_epi32(low, high), bytes = _mm256_packus_epi16(words, words);
  const __m128i codes = _mm_min_epu8(
      _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)),
      _mm_set1_epi8(static_cast<char>(s.tables.max_code)));
  if (s.channels >= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), codes);
    return;
  }
  alignas(16) std::uint8_t all[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(all), codes);
  for (std::int64_t k = 0; k < s.channels; ++k) out[k] = all[k];
}

template <int kVectors>
[[gnu::always_inline]] inline void load_all(__m256i (&sum)[kVectors], const std::int32_t* from) {
  for (int v = 0; v < kVectors; ++v) sum[v] = load(from + 8 * v);
}

template <int kVectors>
[[gnu::always_inline]] inline void clear(__m256i (&sum)[kVectors]) {
  for (__m256i& x : sum) x = _mm256_setzero_si256();
}

/// 16-bit sums become 32-bit ones, added to what is at `from`.
template <int kVectors>
[[gnu::always_inline]] inline void widen(__m256i (&sum)[kVectors], const std::int32_t* from) {
  const std::int16_t* ones = kOnes;
  asm("" : "+r"(ones));  // not in a register, which the products want
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = _mm256_add_epi32(load(from + 8 * v), _mm256_madd_epi16(sum[v], load(ones)));
  }
}

template <int kVectors>
[[gnu::always_inline]] inline void store_all(std::int32_t* to, const __m256i (&sum)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) store(to + 8 * v, sum[v]);
}

// `count` tiles of as many pixels as indices, from pixel `first` on.
template <class Kind, int kVectors, int... I>
void tiles(const ProductRow& s, std::int64_t first, std::int64_t count, Rows<I...> rows) {
  constexpr int kPixels = sizeof...(I), kWidth = 8 * kVectors;
  constexpr bool kNarrow = sizeof(typename Kind::Code) == 1;
  const std::int64_t step = s.step * std::int64_t{sizeof(typename Kind::Code)};
  const std::uint8_t* window = s.codes + first * step;
  std::uint8_t* out = s.out + first * s.out_stride;
  const Equidistant windows(step);
  QuickRequant requant[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    requant[v] = quick_requant(s.tables.m + 8 * v, s.tables.n + 8 * v);
  }
  const QuickRequant* steps = requant;
  const bool fetches = !s.near;
  alignas(32) std::int32_t acc[kNarrow ? kPixels * kWidth : 1];
  for (; count > 0; --count, window += kPixels * step, out += kPixels * s.out_stride) {
    __m256i sum[kPixels][kVectors];
    // What 16-bit sums are added to: the bias, after the first chunk acc.
    const std::int32_t* from = s.bias;
    std::int64_t from_step = 0;
    if constexpr (kNarrow) {
      (clear(sum[I]), ...);
    } else {
      (load_all(sum[I], s.bias), ...);
    }
    const auto* weights = static_cast<const std::uint8_t*>(s.weights);
    const std::int32_t *offset = s.offsets, *const last = offset + s.groups;
    for (;;) {
      const bool is_chunk = kNarrow && last - offset > s.chunk;
      const std::int32_t* const end = is_chunk ? offset + s.chunk : last;
      weights = multiply_groups<Kind>(sum, window, windows, offset, end, weights, fetches, rows);
      offset = end;
      if (offset == last) break;
      ((widen(sum[I], from + I * from_step), store_all(acc + kWidth * I, sum[I]), clear(sum[I])),
       ...);
      from = acc;
      from_step = kWidth;
    }
    asm("" : "+r"(steps));
    if constexpr (kNarrow) (widen(sum[I], from + I * from_step), ...);
    (store_codes(s, out + I * s.out_stride, sum[I], steps), ...);
  }
}

template <class Kind, int... I>
void row_tiles(const ProductRow& s, std::int64_t width, std::int64_t first, std::int64_t count,
               Rows<I...> rows) {
  width > 8 ? tiles<Kind, 2>(s, first, count, rows) : tiles<Kind, 1>(s, first, count, rows);
}

template <class Kind>
void row(const ProductRow& s, std::int64_t width) {
  for_equal_tiles<kTilePixels>(s.pixels, [&](std::int64_t first, std::int64_t count, auto rows) {
    row_tiles<Kind>(s, width, first, count, rows);
  });
}

}  // namespace

void direct_row_wide_avx2(const ProductRow& s, std::int64_t width) { row<Wide>(s, width); }
void direct_row_narrow_avx2(const ProductRow& s, std::int64_t width) { row<Narrow>(s, width); }

}  // namespace intandem
#endif
