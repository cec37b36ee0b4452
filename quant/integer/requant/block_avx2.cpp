// Requantization of 8 channels at a time with AVX2; requant/block_avx512.cpp is the same in wider
// registers.
#include "quant/integer/requant/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/vectors_avx2.hpp"

namespace intandem {
namespace {

// Eight numbers 0 … 255 in 32-bit lanes to bytes; the last `count` < 8 channels one by one.
[[gnu::always_inline]] inline void store_codes(std::uint8_t* codes, __m256i x, std::int64_t count) {
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const auto bytes = static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi16(words, words)));
  if (count >= 8) {
    __builtin_memcpy(codes, &bytes, 8);
  } else {
    for (std::int64_t k = 0; k < count; ++k) codes[k] = static_cast<std::uint8_t>(bytes >> (8 * k));
  }
}

[[gnu::always_inline]] inline __m256i load_codes(const std::uint8_t* codes, std::int64_t count) {
  std::uint64_t bytes = 0;
  if (count >= 8) {
    __builtin_memcpy(&bytes, codes, 8);
  } else {
    for (std::int64_t k = 0; k < count; ++k) bytes |= std::uint64_t{codes[k]} << (8 * k);
  }
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
}

void quick_8(const RequantBlock& b, std::int64_t k) {
  const QuickRequant c = quick_requant(b.tables.m + k, b.tables.n + k);
  const __m256i max_code = _mm256_set1_epi32(b.tables.max_code), zero = _mm256_setzero_si256();
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const __m256i codes = quick_step(load(b.acc + i * b.acc_stride + k), c);
    store_codes(b.codes + i * b.code_stride + k,
                _mm256_max_epi32(_mm256_min_epi32(codes, max_code), zero), b.channels - k);
  }
}

// Any n, a shortcut, a zero point: a negative accumulator may still give a positive sum.
void wide_8(const RequantBlock& b, std::int64_t k) {
  const RequantTables& t = b.tables;
  const __m256i m = load(t.m + k), n = load(t.n + k), add_zero = _mm256_set1_epi32(t.add_zero);
  const __m256i max_code = _mm256_set1_epi32(t.max_code);
  const std::int32_t zero_point = t.zero_point;  // or each row reads it again: codes are bytes
  const bool adds = b.shortcut != nullptr;
  const __m256i add_m = adds ? load(t.add_m + k) : _mm256_setzero_si256();
  __m256i shortcut = _mm256_setzero_si256();
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const std::int64_t at = i * b.code_stride + k;
    if (adds) shortcut = _mm256_sub_epi32(load_codes(b.shortcut + at, b.channels - k), add_zero);
    const __m256i acc = load(b.acc + i * b.acc_stride + k);
    store_codes(b.codes + at, requant_wide(acc, m, n, shortcut, add_m, max_code, zero_point),
                b.channels - k);
  }
}

}  // namespace

void requant_block_avx2(const RequantBlock& b) {
  for (std::int64_t k = 0; k < b.channels; k += 8) b.tables.quick ? quick_8(b, k) : wide_8(b, k);
}

}  // namespace intandem
#endif
