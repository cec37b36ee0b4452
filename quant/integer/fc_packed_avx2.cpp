// Packed fully connected layers with AVX2: vpmaddubsw with the unsigned weights first. Two products
// are at most 2·15·127 = 3810, so at least eight groups fit 16-bit lanes before they are widened:
// chunk · 2 · max(u) · max(code) ≤ 32767.
#include "quant/integer/fc_packed_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr std::int64_t kAhead_bytes = 1024;

[[gnu::always_inline]] inline __m256i broadcast_group(const std::uint8_t* codes) {
  int group;
  __builtin_memcpy(&group, codes, sizeof group);
  return _mm256_set1_epi32(group);
}

[[gnu::always_inline]] inline __m256i* vector_at(std::int32_t* address) {
  return reinterpret_cast<__m256i*>(address);
}

template <int kBits, int kAt>
[[gnu::always_inline]] inline __m256i field(__m256i bytes) {
  const __m256i mask = _mm256_set1_epi8((1 << kBits) - 1);
  return _mm256_and_si256(kAt == 0 ? bytes : _mm256_srli_epi16(bytes, kAt), mask);
}

/// 16-bit sums of 8 channels each: 0 … 7, 8 … 15, 16 … 23, 24 … 31.
struct Sums {
  __m256i a, b, c, d;
};

// Adds one group whose weights are at bits kAt and kAt + kBits of the 64 bytes.
template <int kBits, int kAt>
[[gnu::always_inline]] inline void add_group(Sums& s, const std::uint8_t* bytes,
                                             const std::uint8_t* codes) {
  const __m256i x = broadcast_group(codes);
  const __m256i first = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
  const __m256i second = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes + 32));
  s.a = _mm256_add_epi16(s.a, _mm256_maddubs_epi16(field<kBits, kAt>(first), x));
  s.b = _mm256_add_epi16(s.b, _mm256_maddubs_epi16(field<kBits, kAt>(second), x));
  s.c = _mm256_add_epi16(s.c, _mm256_maddubs_epi16(field<kBits, kAt + kBits>(first), x));
  s.d = _mm256_add_epi16(s.d, _mm256_maddubs_epi16(field<kBits, kAt + kBits>(second), x));
}

[[gnu::always_inline]] inline __m256i widen(__m256i acc, __m256i sums) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
}

template <int kBits>
void one_row(const PackedTile& t, std::int64_t row) {
  const std::uint8_t* codes = t.codes + row * t.stride;
  const std::uint8_t* bytes = t.weights;
  const __m256i zero = _mm256_setzero_si256();
  Sums acc = {zero, zero, zero, zero};
  for (std::int64_t c = 0; c < t.stride;) {
    const std::int64_t last = c + 4 * t.chunk < t.stride ? c + 4 * t.chunk : t.stride;
    Sums s = {zero, zero, zero, zero};
    for (; c < last; c += 8) {
      _mm_prefetch(bytes + kAhead_bytes, _MM_HINT_T0);
      if constexpr (kBits == 4) {
        add_group<4, 0>(s, bytes, codes + c);
        _mm_prefetch(bytes + 64 + kAhead_bytes, _MM_HINT_T0);
        add_group<4, 0>(s, bytes + 64, codes + c + 4);
        bytes += 128;
      } else {
        add_group<2, 0>(s, bytes, codes + c);
        add_group<2, 4>(s, bytes, codes + c + 4);
        bytes += 64;
      }
    }
    acc = {widen(acc.a, s.a), widen(acc.b, s.b), widen(acc.c, s.c), widen(acc.d, s.d)};
  }
  const __m256i correction = _mm256_set1_epi32(t.correction[row]);
  const __m128i shift = _mm_cvtsi64_si128(t.shift);
  const auto finish = [&](std::int64_t k, __m256i sum) {
    const __m256i bias = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.bias + k));
    _mm256_store_si256(
        vector_at(t.acc + kPackedWidth * row + k),
        _mm256_add_epi32(_mm256_sll_epi32(sum, shift), _mm256_sub_epi32(bias, correction)));
  };
  finish(0, acc.a);
  finish(8, acc.b);
  finish(16, acc.c);
  finish(24, acc.d);
}

}  // namespace

void fc_packed4_avx2(const PackedTile& t, std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) one_row<4>(t, i);
}

void fc_packed2_avx2(const PackedTile& t, std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) one_row<2>(t, i);
}

}  // namespace intandem
#endif
