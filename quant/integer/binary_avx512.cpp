// One-bit products with AVX-512: 512 of them per vector, a full adder is two vpternlogd. For CPUs
// without vpopcntd; the others use binary_avx512vpopcnt.cpp.
#include "quant/integer/binary_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

using Vector = __m512i;
constexpr std::int64_t kLanes = 16;

[[gnu::always_inline]] inline Vector load(const std::uint32_t* p) { return _mm512_loadu_si512(p); }
[[gnu::always_inline]] inline void store(std::int32_t* p, Vector x) { _mm512_storeu_si512(p, x); }
[[gnu::always_inline]] inline Vector broadcast(std::uint32_t word) {
  return _mm512_set1_epi32(static_cast<int>(word));
}
[[gnu::always_inline]] inline Vector zero() { return _mm512_setzero_si512(); }
[[gnu::always_inline]] inline Vector add(Vector x, Vector y) { return _mm512_add_epi32(x, y); }
[[gnu::always_inline]] inline Vector subtract(Vector x, Vector y) { return _mm512_sub_epi32(x, y); }
[[gnu::always_inline]] inline Vector add_bytes(Vector x, Vector y) { return _mm512_add_epi8(x, y); }
[[gnu::always_inline]] inline Vector sum_bit(Vector a, Vector b, Vector c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}
[[gnu::always_inline]] inline Vector carry_bit(Vector a, Vector b, Vector c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0xE8);
}
[[gnu::always_inline]] inline Vector times(Vector x, int log2) {
  return _mm512_slli_epi32(x, static_cast<unsigned>(log2));
}
[[gnu::always_inline]] inline Vector sum_bytes(Vector x) {
  const Vector pairs = _mm512_maddubs_epi16(x, _mm512_set1_epi8(1));
  return _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}
[[gnu::always_inline]] inline Vector count_bytes(Vector x) {
  const Vector counts =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const Vector nibble = _mm512_set1_epi8(15);
  return _mm512_add_epi8(
      _mm512_shuffle_epi8(counts, _mm512_and_si512(x, nibble)),
      _mm512_shuffle_epi8(counts, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble)));
}

#include "quant/integer/binary_simd.hpp"

}  // namespace

void binary_count_avx512(const BinaryRow& row) { count_row(row); }

}  // namespace intandem
#endif
