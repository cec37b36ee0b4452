// Rows of outputs with AVX-512 VNNI: all of an image row in one call, requantized in registers.
// What is saved per tile against direct/tiles_avx512vnni.cpp - a table of pointers, a call, a round
// trip of the accumulators through memory - is as much work as the products themselves where a
// window has few codes, as in a first layer. A tile has up to 28 accumulators: 7 pixels × 64
// channels, which takes the fewest instructions per product, or 14 × 32, which reads each weight
// half as often. Windows are a constant distance apart, so that one pointer reaches 7 of them.
#include "quant/integer/direct/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx512.hpp"

namespace intandem {
namespace {

constexpr int kHalf = 7;              // pixels that one pointer reaches
constexpr std::int64_t kAhead = 512;  // bytes of weights fetched ahead, per vector

// The packs saturate, so that only the upper clamp is left, and interleave by 128-bit lanes: lane L
// holds channels 4L … 4L + 3 of both halves, low first.
[[gnu::always_inline]] inline __m256i pack_codes(__m512i low, __m512i high, __m256i max_code) {
  const __m512i words = _mm512_packs_epi32(low, high);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
  return _mm256_min_epu8(_mm512_castsi512_si256(bytes), max_code);
}

/// 28 accumulators, three vectors of weights and the codes fill the registers; the fourth vector is
/// read by each product.
[[gnu::always_inline]] inline __m512i multiply_memory(__m512i sum, __m512i codes,
                                                      const std::int8_t* weights) {
  asm("vpdpbusd %2, %1, %0"
      : "+v"(sum)
      : "v"(codes), "m"(*reinterpret_cast<const __m512i*>(weights)));
  return sum;
}

/// Codes of 32 channels, or of 16 (`high` is then ignored).
[[gnu::always_inline]] inline void store_codes(std::uint8_t* out, __mmask32 lanes, __m512i low,
                                               __m512i high, const QuickRequant* steps,
                                               __m512i max_code) {
  _mm256_mask_storeu_epi8(out, lanes,
                          pack_codes(quick_step(low, steps[0]), quick_step(high, steps[1]),
                                     _mm512_castsi512_si256(max_code)));
}

/// Codes of up to 64 channels.
[[gnu::always_inline]] inline void store_line(std::uint8_t* out, __mmask64 lanes, __m512i a,
                                              __m512i b, __m512i c, __m512i d,
                                              const QuickRequant* steps, __m512i max_code) {
  const __m512i codes = _mm512_min_epu8(pack_rows(quick_step(a, steps[0]), quick_step(b, steps[1]),
                                                  quick_step(c, steps[2]), quick_step(d, steps[3])),
                                        max_code);
  _mm512_mask_storeu_epi8(out, lanes, codes);
}

// `count` tiles of as many pixels as indices, from pixel `first` on; 16 channels per vector.
template <int kVectors, int... I>
void tiles(const ProductRow& s, std::int64_t first, std::int64_t count, Rows<I...>) {
  constexpr int kPixels = sizeof...(I);
  constexpr std::int64_t kBytes = 64 * kVectors;
  // Vectors of weights in registers.
  constexpr int kKept = kVectors > 2 && kPixels == kHalf ? 3 : kVectors;
  const std::uint8_t* window = s.codes + first * s.step;
  std::uint8_t* out = s.out + first * s.out_stride;
  const std::int64_t step = s.step;
  const Equidistant windows(step);
  std::int64_t middle = kHalf * step;
  asm("" : "+r"(middle));
  QuickRequant requant[4];
  for (int v = 0; v < 4; ++v) {
    const std::int64_t k = v < kVectors ? 16 * v : 0;
    requant[v] = quick_requant(s.tables.m + k, s.tables.n + k);
  }
  const QuickRequant* steps = requant;
  const __m512i max_code = _mm512_set1_epi8(static_cast<char>(s.tables.max_code));
  const bool fetches = !s.near;
  const std::uint64_t lanes =
      s.channels >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << s.channels) - 1;
  for (; count > 0; --count) {
    __m512i sum0[kPixels], sum1[kPixels], sum2[kPixels], sum3[kPixels];
    ((sum0[I] = _mm512_loadu_si512(s.bias),
      sum1[I] = kVectors > 1 ? _mm512_loadu_si512(s.bias + 16) : sum0[I],
      sum2[I] = kVectors > 2 ? _mm512_loadu_si512(s.bias + 32) : sum0[I],
      sum3[I] = kVectors > 2 ? _mm512_loadu_si512(s.bias + 48) : sum0[I]),
     ...);
    // One loop over all groups: kernel rows of few groups, in a loop of their own, end in a branch
    // that is predicted wrongly.
    const auto* weights = static_cast<const std::int8_t*>(s.weights);
    for (std::int64_t i = 0; i < s.groups; ++i, weights += kBytes) {
      const std::uint8_t* const lower = window + s.offsets[i];
      const std::uint8_t* const upper = kPixels > kHalf ? lower + middle : lower;
      const __m512i w0 = _mm512_load_si512(weights);
      const __m512i w1 = kVectors > 1 ? _mm512_load_si512(weights + 64) : w0;
      const __m512i w2 = kVectors > 2 ? _mm512_load_si512(weights + 128) : w0;
      const __m512i w3 = kKept > 3 ? _mm512_load_si512(weights + 192) : w0;
      for (int v = 0; fetches && v < kVectors; ++v) {
        _mm_prefetch(weights + kAhead * kVectors + 64 * v, _MM_HINT_T0);
      }
      __m512i codes;
      ((codes = broadcast_group((I < kHalf ? lower : upper) + windows[I % kHalf]),
        sum0[I] = _mm512_dpbusd_epi32(sum0[I], codes, w0),
        sum1[I] = kVectors > 1 ? _mm512_dpbusd_epi32(sum1[I], codes, w1) : sum1[I],
        sum2[I] = kVectors > 2 ? _mm512_dpbusd_epi32(sum2[I], codes, w2) : sum2[I],
        sum3[I] = kVectors < 3 ? sum3[I]
                  : kKept > 3  ? _mm512_dpbusd_epi32(sum3[I], codes, w3)
                               : multiply_memory(sum3[I], codes, weights + 192)),
       ...);
    }
    // The constants stay in memory: in registers they would push the weights out of them.
    asm("" : "+r"(steps));
    if constexpr (kVectors > 2) {
      (store_line(out + I * s.out_stride, lanes, sum0[I], sum1[I], sum2[I], sum3[I], steps,
                  max_code),
       ...);
    } else {
      (store_codes(out + I * s.out_stride, static_cast<__mmask32>(lanes), sum0[I], sum1[I], steps,
                   max_code),
       ...);
    }
    window += kPixels * step;
    out += kPixels * s.out_stride;
  }
}

}  // namespace

void direct_row_avx512vnni(const ProductRow& s, std::int64_t width) {
  if (width > 32) {
    for_equal_tiles<kHalf>(s.pixels, [&](std::int64_t first, std::int64_t count, auto rows) {
      tiles<4>(s, first, count, rows);
    });
  } else {
    for_equal_tiles<2 * kHalf>(s.pixels, [&](std::int64_t first, std::int64_t count, auto rows) {
      width > 16 ? tiles<2>(s, first, count, rows) : tiles<1>(s, first, count, rows);
    });
  }
}

}  // namespace intandem
#endif
