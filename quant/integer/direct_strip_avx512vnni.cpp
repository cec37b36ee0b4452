// Rows of outputs with AVX-512 VNNI: the tiles of direct_avx512vnni.cpp, all of an image row in one
// call, requantized in registers. What is saved per tile - a table of pointers, a call, a round
// trip of the accumulators through memory - is as much work as the products themselves where a
// window has few codes, as in a first layer. Windows are a constant distance apart, so that two
// pointers and six multiples of it reach 14 of them: 28 accumulators, two vectors of weights and a
// broadcast group fill 31 registers.
#include "quant/integer/direct_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/requant_avx512.hpp"

namespace intandem {
namespace {

constexpr int kMostPixels = 14, kHalf = kMostPixels / 2;
constexpr std::int64_t kAhead = 1024;  // bytes of weights fetched ahead

template <int... kIndex>
struct Rows {};

[[gnu::always_inline]] inline __m512i broadcast_group(const std::uint8_t* codes) {
  int group;
  __builtin_memcpy(&group, codes, sizeof group);
  return _mm512_set1_epi32(group);
}

// The packs saturate, so that only the upper clamp is left, and interleave by 128-bit lanes: lane L
// holds channels 4L … 4L + 3 of both halves, low first.
[[gnu::always_inline]] inline __m256i pack_codes(__m512i low, __m512i high, __m256i max_code) {
  const __m512i words = _mm512_packs_epi32(low, high);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
  return _mm256_min_epu8(_mm512_castsi512_si256(bytes), max_code);
}

// `count` tiles of as many pixels as indices, from pixel `first` on; 32 channels or 16.
template <bool kWide, int... I>
void tiles(const ProductStrip& s, std::int64_t first, std::int64_t count, Rows<I...>) {
  constexpr int kPixels = sizeof...(I), kBytes = kWide ? 128 : 64;
  const std::uint8_t* window = s.codes + first * s.step;
  std::uint8_t* out = s.out + first * s.out_stride;
  const std::int64_t step = s.step;
  std::int64_t middle = kHalf * step;
  __asm__("" : "+r"(middle));  // not to be turned into twelve addresses
  const QuickRequant requant[2] = {
      quick_requant(s.tables.m, s.tables.n),
      quick_requant(s.tables.m + (kWide ? 16 : 0), s.tables.n + (kWide ? 16 : 0))};
  const QuickRequant* steps = requant;
  const __m256i max_code = _mm256_set1_epi8(static_cast<char>(s.tables.max_code));
  const auto lanes = static_cast<__mmask32>(s.channels >= 32 ? ~0u : (1u << s.channels) - 1);
  for (; count > 0; --count, window += kPixels * step, out += kPixels * s.out_stride) {
    __m512i low[kPixels], high[kPixels];
    ((low[I] = _mm512_loadu_si512(s.bias),
      high[I] = kWide ? _mm512_loadu_si512(s.bias + 16) : low[I]),
     ...);
    const auto* weights = static_cast<const std::int8_t*>(s.weights);
    // One loop over all groups: kernel rows of few groups, in a loop of their own, end in a branch
    // that is predicted wrongly.
    for (std::int64_t i = 0; i < s.groups; ++i, weights += kBytes) {
      const __m512i weights_low = _mm512_load_si512(weights);
      const __m512i weights_high = kWide ? _mm512_load_si512(weights + 64) : weights_low;
      _mm_prefetch(weights + kAhead, _MM_HINT_T0);
      if (kWide) _mm_prefetch(weights + kAhead + 64, _MM_HINT_T0);
      const std::uint8_t* const half[2] = {window + s.offsets[i], window + s.offsets[i] + middle};
      __m512i codes;
      ((codes = broadcast_group(half[I / kHalf] + I % kHalf * step),
        low[I] = _mm512_dpbusd_epi32(low[I], codes, weights_low),
        high[I] = kWide ? _mm512_dpbusd_epi32(high[I], codes, weights_high) : high[I]),
       ...);
    }
    // The constants stay in memory: in registers they would push the weights out of them.
    __asm__("" : "+r"(steps));
    ((_mm256_mask_storeu_epi8(
         out + I * s.out_stride, lanes,
         pack_codes(quick_step(low[I], steps[0]), quick_step(high[I], steps[1]), max_code))),
     ...);
  }
}

template <int... I>
void strip_tiles(const ProductStrip& s, bool wide, std::int64_t first, std::int64_t count,
                 Rows<I...> rows) {
  if (wide) {
    tiles<true>(s, first, count, rows);
  } else {
    tiles<false>(s, first, count, rows);
  }
}

void strip_tiles(const ProductStrip& s, bool wide, std::int64_t pixels, std::int64_t first,
                 std::int64_t count) {
  switch (pixels) {
    case 1:
      return strip_tiles(s, wide, first, count, Rows<0>{});
    case 2:
      return strip_tiles(s, wide, first, count, Rows<0, 1>{});
    case 3:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2>{});
    case 4:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3>{});
    case 5:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4>{});
    case 6:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5>{});
    case 7:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6>{});
    case 8:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7>{});
    case 9:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7, 8>{});
    case 10:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7, 8, 9>{});
    case 11:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10>{});
    case 12:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>{});
    case 13:
      return strip_tiles(s, wide, first, count, Rows<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>{});
    default:
      return strip_tiles(s, wide, first, count,
                         Rows<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>{});
  }
}

}  // namespace

void direct_strip_avx512vnni(const ProductStrip& s, std::int64_t width) {
  // Nearly equal tiles, the first `taller` of them one pixel more.
  const std::int64_t count = (s.pixels + kMostPixels - 1) / kMostPixels;
  const std::int64_t pixels = s.pixels / count, taller = s.pixels % count;
  if (taller > 0) strip_tiles(s, width == 32, pixels + 1, 0, taller);
  strip_tiles(s, width == 32, pixels, taller * (pixels + 1), count - taller);
}

}  // namespace intandem
#endif
