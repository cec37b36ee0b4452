// What kernels of several families share: a broadcast, and requant.hpp for 16 accumulators at a
// time. Included by AVX-512 files only; internal linkage, so that no AVX-512 code can be merged
// into other files by the linker.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace intandem {
namespace {

/// The four bytes at `codes` in every lane of 32 bits.
[[gnu::always_inline]] static inline __m512i broadcast_group(const void* codes) {
  int group;
  __builtin_memcpy(&group, codes, sizeof group);
  return _mm512_set1_epi32(group);
}

/// The constants of 16 channels for quick_step.
struct QuickRequant {
  __m512i m, m_high, half, shift;
};
[[gnu::always_inline]] static inline QuickRequant quick_requant(const void* m, const void* n) {
  const __m512i factor = _mm512_loadu_si512(m);
  const __m512i shift = _mm512_sub_epi32(_mm512_loadu_si512(n), _mm512_set1_epi32(16));
  const __m512i one = _mm512_set1_epi32(1);
  return {factor, _mm512_slli_epi32(factor, 16),
          _mm512_sllv_epi32(one, _mm512_sub_epi32(shift, one)), shift};
}

/// (acc·m + 2ⁿ⁻¹) >> n for n ≥ 17 and any acc, in 32 bits (docs/quantization.md, Q5a): with
/// acc = high·2¹⁶ + low the product is (high·m + low·m/2¹⁶)·2¹⁶, and what the division of low·m
/// drops lies below the last bit that the shift keeps.
[[gnu::always_inline]] static inline __m512i quick_step(__m512i acc, const QuickRequant& c) {
  const __m512i product =
      _mm512_add_epi32(_mm512_madd_epi16(acc, c.m_high), _mm512_mulhi_epu16(acc, c.m));
  return _mm512_srav_epi32(_mm512_add_epi32(product, c.half), c.shift);
}

/// The odd lanes of 32 bits in the place of the even ones, the only ones that a product of 64 bits
/// reads. A shuffle, not a shift: multiplications and shifts already fill a vector port.
[[gnu::always_inline]] static inline __m512i odd_lanes(__m512i x) {
  return _mm512_shuffle_epi32(x, _MM_PERM_DDBB);
}

/// Any m, n of requant.hpp: even and odd lanes in 64 bits. shortcut: codes less their zero point in
/// 32-bit lanes, m2 their multipliers (requantize_add); zeros without shortcut.
[[gnu::always_inline]] static inline __m512i requant_wide(__m512i acc, __m512i m, __m512i n,
                                                          __m512i shortcut, __m512i m2,
                                                          __m512i max_code,
                                                          std::int32_t zero_point) {
  const __m512i low = _mm512_set1_epi64(0xffffffff), one = _mm512_set1_epi64(1);
  const __m512i halves = _mm512_set1_epi64(2 * std::int64_t{zero_point} + 1);
  const __m512i most = _mm512_and_si512(max_code, low), zero = _mm512_setzero_si512();
  const auto finish = [&](__m512i sum, __m512i shift) __attribute__((always_inline)) {
    const __m512i half = _mm512_sllv_epi64(halves, _mm512_sub_epi64(shift, one));
    const __m512i code = _mm512_srav_epi64(_mm512_add_epi64(sum, half), shift);
    return _mm512_min_epi64(_mm512_max_epi64(code, zero), most);
  };
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, m), _mm512_mul_epi32(shortcut, m2));
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(odd_lanes(acc), odd_lanes(m)),
                                       _mm512_mul_epi32(odd_lanes(shortcut), odd_lanes(m2)));
  const __m512i even_codes = finish(even, _mm512_and_si512(n, low));
  const __m512i odd_codes = finish(odd, _mm512_srli_epi64(n, 32));
  return _mm512_mask_shuffle_epi32(even_codes, 0xAAAA, odd_codes, _MM_PERM_CCAA);
}

/// Four vectors of 16 numbers → the four rows of 16 bytes, one after the other; numbers outside
/// 0 … 255 become 0 or 255.
[[gnu::always_inline]] static inline __m512i pack_rows(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

}  // namespace
}  // namespace intandem
