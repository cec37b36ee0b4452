// Packed fully connected layers with AVX2: vpmaddubsw with the unsigned weights first. Two products
// are at most 2·15·127 = 3810, so at least eight groups fit 16-bit lanes before they are widened:
// chunk · 2 · max(u) · max(code) ≤ 32767.
#include "quant/integer/packed/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/vectors_avx2.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kAhead_bytes = 1024;

template <int kBits, int kAt>
[[gnu::always_inline]] inline __m256i field(__m256i bytes) {
  const __m256i mask = _mm256_set1_epi8((1 << kBits) - 1);
  return _mm256_and_si256(kAt == 0 ? bytes : _mm256_srli_epi16(bytes, kAt), mask);
}

/// Sums of 8 channels each: 0 … 7, 8 … 15, 16 … 23, 24 … 31.
struct Sums {
  __m256i v[4] = {};
};

// Adds one group, whose weights are at bits kAt and kAt + kBits of the 64 bytes, for every row.
template <int kBits, int kAt, int kRows>
[[gnu::always_inline]] inline void add_group(Sums (&s)[kRows], const std::uint8_t* bytes,
                                             const std::uint8_t* codes, std::int64_t stride) {
  const __m256i first = load(bytes);
  const __m256i second = load(bytes + 32);
  __m256i x[kRows];
  for (int r = 0; r < kRows; ++r) x[r] = broadcast_group(codes + r * stride);
  const auto add = [&](int i, __m256i weights) __attribute__((always_inline)) {
    for (int r = 0; r < kRows; ++r) {
      s[r].v[i] = _mm256_add_epi16(s[r].v[i], _mm256_maddubs_epi16(weights, x[r]));
    }
  };
  add(0, field<kBits, kAt>(first));
  add(1, field<kBits, kAt>(second));
  add(2, field<kBits, kAt + kBits>(first));
  add(3, field<kBits, kAt + kBits>(second));
}

/// Rows row … row + kRows − 1: two share what unpacking takes.
template <int kBits, int kRows>
void some_rows(const PackedTile& t, std::int64_t row) {
  const std::uint8_t* codes = t.codes + row * t.stride;
  const std::uint8_t* bytes = t.weights;
  Sums acc[kRows];
  for (std::int64_t c = 0; c < t.stride;) {
    const std::int64_t last = c + 4 * t.chunk < t.stride ? c + 4 * t.chunk : t.stride;
    Sums s[kRows];
    for (; c < last; c += 8) {
      _mm_prefetch(bytes + kAhead_bytes, _MM_HINT_T0);
      if constexpr (kBits == 4) {
        add_group<4, 0>(s, bytes, codes + c, t.stride);
        _mm_prefetch(bytes + 64 + kAhead_bytes, _MM_HINT_T0);
        add_group<4, 0>(s, bytes + 64, codes + c + 4, t.stride);
        bytes += 128;
      } else {
        add_group<2, 0>(s, bytes, codes + c, t.stride);
        add_group<2, 4>(s, bytes, codes + c + 4, t.stride);
        bytes += 64;
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < 4; ++i) {
        acc[r].v[i] =
            _mm256_add_epi32(acc[r].v[i], _mm256_madd_epi16(s[r].v[i], _mm256_set1_epi16(1)));
      }
    }
  }
  const __m128i shift = _mm_cvtsi64_si128(t.shift);
  for (int r = 0; r < kRows; ++r) {
    const __m256i correction = _mm256_set1_epi32(t.correction[row + r]);
    for (int i = 0; i < 4; ++i) {
      const __m256i bias = load(t.bias + 8 * i);
      store(t.acc + kPackedWidth * (row + r) + 8 * i,
            _mm256_add_epi32(_mm256_sll_epi32(acc[r].v[i], shift),
                             _mm256_sub_epi32(bias, correction)));
    }
  }
}

template <int kBits>
void all_rows(const PackedTile& t, std::int64_t rows) {
  std::int64_t row = 0;
  for (; row + 2 <= rows; row += 2) some_rows<kBits, 2>(t, row);
  if (row < rows) some_rows<kBits, 1>(t, row);
}

}  // namespace

void fc_packed4_avx2(const PackedTile& t, std::int64_t rows) { all_rows<4>(t, rows); }

void fc_packed2_avx2(const PackedTile& t, std::int64_t rows) { all_rows<2>(t, rows); }

}  // namespace intandem
#endif
