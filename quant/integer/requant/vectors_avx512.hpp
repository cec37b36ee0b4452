// requant.hpp for 16 accumulators at a time. Included by AVX-512 files only; internal linkage, so
// that no AVX-512 code can be merged into other files by the linker.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace intandem {
namespace {

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

/// Any m, n of requant.hpp: even and odd lanes in 64 bits. shortcut: codes less their zero point in
/// 32-bit lanes, m2 their multipliers (requantize_add); zeros without shortcut.
[[gnu::always_inline]] static inline __m512i requant_wide(__m512i acc, __m512i m, __m512i n,
                                                          __m512i shortcut, __m512i m2,
                                                          __m512i max_code,
                                                          std::int32_t zero_point) {
  const __m512i low = _mm512_set1_epi64(0xffffffff), one = _mm512_set1_epi64(1);
  const __m512i halves = _mm512_set1_epi64(2 * std::int64_t{zero_point} + 1);
  __m512i sum[2], shift[2];
  sum[0] = _mm512_add_epi64(_mm512_mul_epi32(acc, m), _mm512_mul_epi32(shortcut, m2));
  sum[1] = _mm512_add_epi64(
      _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(m, 32)),
      _mm512_mul_epi32(_mm512_srli_epi64(shortcut, 32), _mm512_srli_epi64(m2, 32)));
  shift[0] = _mm512_and_si512(n, low);
  shift[1] = _mm512_srli_epi64(n, 32);
  const __m512i most = _mm512_and_si512(max_code, low), zero = _mm512_setzero_si512();
  for (int i = 0; i < 2; ++i) {
    const __m512i half = _mm512_sllv_epi64(halves, _mm512_sub_epi64(shift[i], one));
    sum[i] = _mm512_srav_epi64(_mm512_add_epi64(sum[i], half), shift[i]);
    sum[i] = _mm512_min_epi64(_mm512_max_epi64(sum[i], zero), most);
  }
  return _mm512_or_si512(sum[0], _mm512_slli_epi64(sum[1], 32));
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
