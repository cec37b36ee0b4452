// Twelve independent FMA chains per round hide the latency of two pipes.
#include "core/machine_peak.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>

namespace intandem {

std::int64_t run_fma_avx512(std::int64_t rounds, float* sink) {
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  // Different starts, or the compiler merges the chains.
  __m512 x0 = _mm512_set1_ps(1.0f);
  __m512 x1 = _mm512_set1_ps(2.0f);
  __m512 x2 = _mm512_set1_ps(3.0f);
  __m512 x3 = _mm512_set1_ps(4.0f);
  __m512 x4 = _mm512_set1_ps(5.0f);
  __m512 x5 = _mm512_set1_ps(6.0f);
  __m512 y0 = _mm512_set1_ps(7.0f);
  __m512 y1 = _mm512_set1_ps(8.0f);
  __m512 y2 = _mm512_set1_ps(9.0f);
  __m512 y3 = _mm512_set1_ps(10.0f);
  __m512 y4 = _mm512_set1_ps(11.0f);
  __m512 y5 = _mm512_set1_ps(12.0f);
  for (std::int64_t i = 0; i < rounds; ++i) {
    x0 = _mm512_fmadd_ps(x0, a, b);
    x1 = _mm512_fmadd_ps(x1, a, b);
    x2 = _mm512_fmadd_ps(x2, a, b);
    x3 = _mm512_fmadd_ps(x3, a, b);
    x4 = _mm512_fmadd_ps(x4, a, b);
    x5 = _mm512_fmadd_ps(x5, a, b);
    y0 = _mm512_fmadd_ps(y0, a, b);
    y1 = _mm512_fmadd_ps(y1, a, b);
    y2 = _mm512_fmadd_ps(y2, a, b);
    y3 = _mm512_fmadd_ps(y3, a, b);
    y4 = _mm512_fmadd_ps(y4, a, b);
    y5 = _mm512_fmadd_ps(y5, a, b);
  }
  const __m512 x = _mm512_add_ps(_mm512_add_ps(x0, x1), _mm512_add_ps(x2, x3));
  const __m512 y = _mm512_add_ps(_mm512_add_ps(y0, y1), _mm512_add_ps(y2, y3));
  const __m512 z = _mm512_add_ps(_mm512_add_ps(x4, x5), _mm512_add_ps(y4, y5));
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, _mm512_add_ps(_mm512_add_ps(x, y), z));
  *sink += lanes[0];
  return rounds * 12 * 16 * 2;
}

}  // namespace intandem
#endif
