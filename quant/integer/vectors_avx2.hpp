// What kernels of several families share: loads and stores, a broadcast, and requant.hpp for 8
// accumulators at a time. Included by AVX2 files only; internal linkage, so that no AVX2 code can
// be merged into other files by the linker.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace intandem {
namespace {

/// Eight lanes of 32 bits, or 32 bytes; addresses of any alignment.
[[gnu::always_inline]] static inline __m256i load(const void* address) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(address));
}
[[gnu::always_inline]] static inline void store(void* address, __m256i value) {
  _mm256_storeu_si256(static_cast<__m256i*>(address), value);
}

/// The four bytes at `codes` in every lane.
[[gnu::always_inline]] static inline __m256i broadcast_group(const void* codes) {
  int group;
  __builtin_memcpy(&group, codes, sizeof group);
  return _mm256_set1_epi32(group);
}

/// As in vectors_avx512.hpp, for 8 channels.
struct QuickRequant {
  __m256i m, m_high, half, shift;
};
[[gnu::always_inline]] static inline QuickRequant quick_requant(const std::int32_t* m,
                                                                const std::int32_t* n) {
  const __m256i factor = load(m);
  const __m256i shift = _mm256_sub_epi32(load(n), _mm256_set1_epi32(16));
  const __m256i one = _mm256_set1_epi32(1);
  return {factor, _mm256_slli_epi32(factor, 16),
          _mm256_sllv_epi32(one, _mm256_sub_epi32(shift, one)), shift};
}

[[gnu::always_inline]] static inline __m256i quick_step(__m256i acc, const QuickRequant& c) {
  const __m256i product =
      _mm256_add_epi32(_mm256_madd_epi16(acc, c.m_high), _mm256_mulhi_epu16(acc, c.m));
  return _mm256_srav_epi32(_mm256_add_epi32(product, c.half), c.shift);
}

/// As requant_wide of vectors_avx512.hpp; max_code ≤ 255. AVX2 has neither a 64-bit
/// arithmetic shift nor a 64-bit minimum, but negative sums give code 0 anyway and the others fit a
/// logical shift.
[[gnu::always_inline]] static inline __m256i requant_wide(__m256i acc, __m256i m, __m256i n,
                                                          __m256i shortcut, __m256i m2,
                                                          __m256i max_code,
                                                          std::int32_t zero_point) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff), one = _mm256_set1_epi64x(1);
  const __m256i halves = _mm256_set1_epi64x(2 * std::int64_t{zero_point} + 1);
  const __m256i zero = _mm256_setzero_si256(), most = _mm256_and_si256(max_code, low);
  __m256i sum[2], shift[2];
  sum[0] = _mm256_add_epi64(_mm256_mul_epi32(acc, m), _mm256_mul_epi32(shortcut, m2));
  sum[1] = _mm256_add_epi64(
      _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(m, 32)),
      _mm256_mul_epi32(_mm256_srli_epi64(shortcut, 32), _mm256_srli_epi64(m2, 32)));
  shift[0] = _mm256_and_si256(n, low);
  shift[1] = _mm256_srli_epi64(n, 32);
  for (int i = 0; i < 2; ++i) {
    const __m256i half = _mm256_sllv_epi64(halves, _mm256_sub_epi64(shift[i], one));
    sum[i] = _mm256_add_epi64(sum[i], half);
    sum[i] = _mm256_andnot_si256(_mm256_cmpgt_epi64(zero, sum[i]), sum[i]);
    sum[i] = _mm256_srlv_epi64(sum[i], shift[i]);
    sum[i] = _mm256_blendv_epi8(sum[i], most, _mm256_cmpgt_epi64(sum[i], most));
  }
  return _mm256_or_si256(sum[0], _mm256_slli_epi64(sum[1], 32));
}

}  // namespace
}  // namespace intandem
