// Twelve independent vpdpbusd chains per round: more than two pipes of latency 5 need.
#include "core/int_peak.hpp"

#if defined(__AVX512VNNI__)
#include <immintrin.h>

namespace intandem {

std::int64_t run_dot_avx512vnni(std::int64_t rounds, std::int32_t* sink) {
  const __m512i codes = _mm512_set1_epi32(*sink | 1), weights = _mm512_set1_epi32(*sink | 3);
  __m512i x0 = codes, x1 = weights, x2 = codes, x3 = weights, x4 = codes, x5 = weights;
  __m512i y0 = codes, y1 = weights, y2 = codes, y3 = weights, y4 = codes, y5 = weights;
  for (std::int64_t i = 0; i < rounds; ++i) {
    // Otherwise the compiler merges chains of equal start.
    __asm__ volatile(""
                     : "+v"(x0), "+v"(x1), "+v"(x2), "+v"(x3), "+v"(x4), "+v"(x5), "+v"(y0),
                       "+v"(y1), "+v"(y2), "+v"(y3), "+v"(y4), "+v"(y5));
    x0 = _mm512_dpbusd_epi32(x0, codes, weights);
    x1 = _mm512_dpbusd_epi32(x1, codes, weights);
    x2 = _mm512_dpbusd_epi32(x2, codes, weights);
    x3 = _mm512_dpbusd_epi32(x3, codes, weights);
    x4 = _mm512_dpbusd_epi32(x4, codes, weights);
    x5 = _mm512_dpbusd_epi32(x5, codes, weights);
    y0 = _mm512_dpbusd_epi32(y0, codes, weights);
    y1 = _mm512_dpbusd_epi32(y1, codes, weights);
    y2 = _mm512_dpbusd_epi32(y2, codes, weights);
    y3 = _mm512_dpbusd_epi32(y3, codes, weights);
    y4 = _mm512_dpbusd_epi32(y4, codes, weights);
    y5 = _mm512_dpbusd_epi32(y5, codes, weights);
  }
  const __m512i x = _mm512_add_epi32(_mm512_add_epi32(x0, x1), _mm512_add_epi32(x2, x3));
  const __m512i y = _mm512_add_epi32(_mm512_add_epi32(y0, y1), _mm512_add_epi32(y2, y3));
  const __m512i z = _mm512_add_epi32(_mm512_add_epi32(x4, x5), _mm512_add_epi32(y4, y5));
  alignas(64) std::int32_t lanes[16];
  _mm512_store_si512(lanes, _mm512_add_epi32(_mm512_add_epi32(x, y), z));
  *sink += lanes[0];
  return rounds * 12 * 64 * 2;
}

}  // namespace intandem
#endif
