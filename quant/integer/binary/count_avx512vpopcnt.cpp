// One-bit products on CPUs that count the bits of every lane (AVX512_VPOPCNTDQ): 512 products in 2½
// operations. One full adder per pair of words in front of the count; with the exclusive or of each
// pair at hand for windows (a ^ a') and weights (w ^ w'), it takes three operations, not four:
//
//     sum   = ones ^ (a ^ a') ^ (w ^ w')                    one vpternlogd
//     carry = ones ≠ sum ? ones : a ^ w                     two: if the pair's bits differ, the
//                                                           third decides, else either of them
//
// and the carries are counted: vpopcntd, vpaddd. More adders would save no operation: one takes two
// per pair of carries, as counting one of them does. Two ports: at most 410 products per cycle.
#include "quant/integer/binary/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx512.hpp"

namespace intandem {
namespace {

constexpr int kMostPixels = 8;
// One pixel is a linear layer at batch 1, whose weights come from memory: words fetched ahead into
// the first- and second-level cache (packed/kernels_avx512vnni.cpp).
constexpr std::int64_t kNear = 256, kFar = 1024;

/// sum += x, in place: GCC 12 moves sums of a loop from register to register otherwise.
[[gnu::always_inline]] inline void add_to(__m512i& sum, __m512i x) {
  asm("vpaddd %1, %0, %0" : "+v"(sum) : "v"(x));
}

// `count` tiles of as many pixels as indices, from pixel `first` on.
template <int... I>
void tiles(const BinaryStrip& s, std::int64_t first, std::int64_t count, Rows<I...>) {
  constexpr int kPixels = sizeof...(I);
  const auto lanes = static_cast<__mmask16>(s.channels >= 16 ? 0xFFFF : (1 << s.channels) - 1);
  const __m128i one = _mm_set1_epi8(1);
  constexpr int kHalf = kMostPixels / 2;  // pixels that one pointer reaches
  const std::int64_t step = 4 * s.step;
  const Equidistant windows(step);
  for (; count > 0; --count, first += kPixels) {
    const char* const window = reinterpret_cast<const char*>(s.bits) + first * step;
    __m512i ones[kPixels], sums[kPixels], twos[kPixels], carry;
    ((ones[I] = twos[I] = _mm512_setzero_si512()), ...);
    const std::uint32_t* weights = s.weights;
    const auto add_pair = [&](const char* lower, const __m512i(&before)[kPixels],
                              __m512i(&after)[kPixels]) __attribute__((always_inline)) {
      const char* const upper = kPixels > kHalf ? lower + kHalf * step : lower;
      const char* const pixel[kPixels] = {(I < kHalf ? lower : upper) + windows[I % kHalf]...};
      const __m512i word = _mm512_load_si512(weights);
      const __m512i both = _mm512_load_si512(weights + kBinaryLanes);
      if constexpr (kPixels == 1) {
        for (int line = 0; line < 2; ++line) {
          _mm_prefetch(weights + line * kBinaryLanes + kNear, _MM_HINT_T0);
          _mm_prefetch(weights + line * kBinaryLanes + kFar, _MM_HINT_T1);
        }
      }
      ((after[I] = _mm512_ternarylogic_epi32(broadcast_group(pixel[I] + 4), before[I], both, 0x96),
        carry = _mm512_xor_si512(word, broadcast_group(pixel[I])),
        carry = _mm512_ternarylogic_epi32(carry, before[I], after[I], 0xD4),
        add_to(twos[I], _mm512_popcnt_epi32(carry))),
       ...);
      weights += 2 * kBinaryLanes;
    };
    // Two pairs at a time, so that the sums of the first need not be copied to those before.
    std::int64_t pair = 0;
    for (; pair + 2 <= s.pairs; pair += 2) {
      add_pair(window + s.offsets[pair], ones, sums);
      add_pair(window + s.offsets[pair + 1], sums, ones);
    }
    if (pair < s.pairs) {
      add_pair(window + s.offsets[pair], ones, sums);
      ((ones[I] = sums[I]), ...);
    }
    ((twos[I] = _mm512_add_epi32(_mm512_add_epi32(twos[I], twos[I]), _mm512_popcnt_epi32(ones[I]))),
     ...);
    if (s.limit != nullptr) {
      const __m512i limit = _mm512_loadu_si512(s.limit);
      (_mm_mask_storeu_epi8(s.codes + (first + I) * s.stride, lanes,
                            _mm_maskz_mov_epi8(_mm512_cmple_epi32_mask(twos[I], limit), one)),
       ...);
    } else {
      const __m512i start = _mm512_loadu_si512(s.start);
      (_mm512_storeu_si512(s.acc + (first + I) * kBinaryLanes, _mm512_sub_epi32(start, twos[I])),
       ...);
    }
  }
}

}  // namespace

void binary_strip_avx512vpopcnt(const BinaryStrip& s) {
  for_equal_tiles<kMostPixels>(s.pixels, [&](std::int64_t first, std::int64_t count, auto rows) {
    tiles(s, first, count, rows);
  });
}

}  // namespace intandem
#endif
