// Twelve independent chains of vpmaddubsw and vpaddw, 24 instructions for three pipes: longer than
// the latency of a chain, 5 + 1.
#include "core/int_peak.hpp"

#if defined(__AVX2__)
#include <immintrin.h>

namespace intandem {

std::int64_t run_dot_avx2(std::int64_t rounds, std::int32_t* sink) {
  __m256i weights = _mm256_set1_epi32(*sink | 3);
  __m256i x0 = weights, x1 = weights, x2 = weights, x3 = weights;
  __m256i x4 = weights, x5 = weights, x6 = weights, x7 = weights;
  __m256i x8 = weights, x9 = weights, xa = weights, xb = weights;
  for (std::int64_t i = 0; i < rounds; ++i) {
    // Otherwise the compiler merges chains of equal start.
    __asm__ volatile(""
                     : "+x"(x0), "+x"(x1), "+x"(x2), "+x"(x3), "+x"(x4), "+x"(x5), "+x"(x6),
                       "+x"(x7), "+x"(x8), "+x"(x9), "+x"(xa), "+x"(xb), "+x"(weights));
    x0 = _mm256_add_epi16(x0, _mm256_maddubs_epi16(x0, weights));
    x1 = _mm256_add_epi16(x1, _mm256_maddubs_epi16(x1, weights));
    x2 = _mm256_add_epi16(x2, _mm256_maddubs_epi16(x2, weights));
    x3 = _mm256_add_epi16(x3, _mm256_maddubs_epi16(x3, weights));
    x4 = _mm256_add_epi16(x4, _mm256_maddubs_epi16(x4, weights));
    x5 = _mm256_add_epi16(x5, _mm256_maddubs_epi16(x5, weights));
    x6 = _mm256_add_epi16(x6, _mm256_maddubs_epi16(x6, weights));
    x7 = _mm256_add_epi16(x7, _mm256_maddubs_epi16(x7, weights));
    x8 = _mm256_add_epi16(x8, _mm256_maddubs_epi16(x8, weights));
    x9 = _mm256_add_epi16(x9, _mm256_maddubs_epi16(x9, weights));
    xa = _mm256_add_epi16(xa, _mm256_maddubs_epi16(xa, weights));
    xb = _mm256_add_epi16(xb, _mm256_maddubs_epi16(xb, weights));
  }
  const __m256i x = _mm256_add_epi16(_mm256_add_epi16(x0, x1), _mm256_add_epi16(x2, x3));
  const __m256i y = _mm256_add_epi16(_mm256_add_epi16(x4, x5), _mm256_add_epi16(x6, x7));
  const __m256i z = _mm256_add_epi16(_mm256_add_epi16(x8, x9), _mm256_add_epi16(xa, xb));
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes),
                     _mm256_add_epi16(_mm256_add_epi16(x, y), z));
  *sink += lanes[0];
  return rounds * 12 * 32 * 2;
}

}  // namespace intandem
#endif
