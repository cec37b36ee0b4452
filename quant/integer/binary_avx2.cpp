// One-bit products with AVX2: 256 of them per vector.
#include "quant/integer/binary_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

using Vector = __m256i;
constexpr std::int64_t kLanes = 8;

[[gnu::always_inline]] inline Vector load(const std::uint32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
[[gnu::always_inline]] inline void store(std::int32_t* p, Vector x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x);
}
[[gnu::always_inline]] inline Vector broadcast(std::uint32_t word) {
  return _mm256_set1_epi32(static_cast<int>(word));
}
[[gnu::always_inline]] inline Vector zero() { return _mm256_setzero_si256(); }
[[gnu::always_inline]] inline Vector add(Vector x, Vector y) { return _mm256_add_epi32(x, y); }
[[gnu::always_inline]] inline Vector subtract(Vector x, Vector y) { return _mm256_sub_epi32(x, y); }
[[gnu::always_inline]] inline Vector add_bytes(Vector x, Vector y) { return _mm256_add_epi8(x, y); }
[[gnu::always_inline]] inline Vector sum_bit(Vector a, Vector b, Vector c) { return a ^ b ^ c; }
[[gnu::always_inline]] inline Vector carry_bit(Vector a, Vector b, Vector c) {
  return (a & b) | (c & (a ^ b));
}
[[gnu::always_inline]] inline Vector times(Vector x, int log2) {
  return _mm256_slli_epi32(x, log2);
}
[[gnu::always_inline]] inline Vector sum_bytes(Vector x) {
  const Vector pairs = _mm256_maddubs_epi16(x, _mm256_set1_epi8(1));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
[[gnu::always_inline]] inline Vector count_bytes(Vector x) {
  const Vector counts =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  const Vector nibble = _mm256_set1_epi8(15);
  return _mm256_add_epi8(
      _mm256_shuffle_epi8(counts, _mm256_and_si256(x, nibble)),
      _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)));
}

#include "quant/integer/binary_simd.hpp"

}  // namespace

void binary_count_avx2(const BinaryRow& row) { count_row(row); }

void binary_pack_avx2(const std::uint8_t* codes, std::int64_t count, std::uint32_t* words) {
  std::int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    *words++ = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(x, 7)));
  }
  if (i == count) return;
  *words = 0;
  for (std::int64_t bit = 0; i < count; ++i, ++bit) {
    *words |= std::uint32_t{codes[i]} << bit;
  }
}

}  // namespace intandem
#endif
