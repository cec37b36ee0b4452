// Requantization of 8 channels at a time with AVX2; requant/block_avx512.cpp is the same in wider
// registers. AVX2 has no arithmetic 64-bit shift, needed with a shortcut or a zero point only:
// there 2^62 is added before a logical shift and 2^62 >> n subtracted after it, which is the same
// for |sum| < 2^62.
#include "quant/integer/requant/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/requant/vectors_avx2.hpp"

namespace intandem {
namespace {

struct Halves {
  __m256i even, odd;
};

[[gnu::always_inline]] inline Halves split(__m256i x) { return {x, _mm256_srli_epi64(x, 32)}; }

[[gnu::always_inline]] inline __m256i join(Halves x) {
  return _mm256_blend_epi32(x.even, _mm256_slli_epi64(x.odd, 32), 0xAA);
}

[[gnu::always_inline]] inline __m256i load(const std::int32_t* address) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(address));
}

struct Rounding {
  Halves n, half;
};

[[gnu::always_inline]] inline Rounding rounding(__m256i n, std::int32_t zero_point = 0) {
  const Halves shifts = {_mm256_and_si256(n, _mm256_set1_epi64x(0xFFFFFFFF)),
                         _mm256_srli_epi64(n, 32)};
  const __m256i one = _mm256_set1_epi64x(1);
  const __m256i halves = _mm256_set1_epi64x(2 * std::int64_t{zero_point} + 1);
  return {shifts,
          {_mm256_sllv_epi64(halves, _mm256_sub_epi64(shifts.even, one)),
           _mm256_sllv_epi64(halves, _mm256_sub_epi64(shifts.odd, one))}};
}

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

void plain_8(const RequantBlock& b, std::int64_t k) {
  const Rounding r = rounding(load(b.tables.n + k));
  const Halves m = split(load(b.tables.m + k));
  const __m256i ceiling = load(b.tables.ceiling + k);
  const __m256i max_code = _mm256_set1_epi32(b.tables.max_code);
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const __m256i acc =
        _mm256_max_epi32(load(b.acc + i * b.acc_stride + k), _mm256_setzero_si256());
    Halves x = split(_mm256_min_epi32(acc, ceiling));
    x.even = _mm256_add_epi64(_mm256_mul_epu32(x.even, m.even), r.half.even);
    x.odd = _mm256_add_epi64(_mm256_mul_epu32(x.odd, m.odd), r.half.odd);
    x.even = _mm256_srlv_epi64(x.even, r.n.even);
    x.odd = _mm256_srlv_epi64(x.odd, r.n.odd);
    store_codes(b.codes + i * b.code_stride + k, _mm256_min_epi32(join(x), max_code),
                b.channels - k);
  }
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

// |acc·m| < 2^46, |q₂·m₂| < 2^39, 2^(n−1) < 2^46 and Z·2^n < 2^54: the sum is far below 2^62. The
// code is the clamped sum >> n; where the quotient leaves 32 bits it is replaced before the lanes
// are joined.
void signed_8(const RequantBlock& b, std::int64_t k) {
  const Rounding r = rounding(load(b.tables.n + k), b.tables.zero_point);
  const Halves m = split(load(b.tables.m + k));
  const bool adds = b.shortcut != nullptr;
  const Halves add_m = split(adds ? load(b.tables.add_m + k) : _mm256_setzero_si256());
  const __m256i add_zero = _mm256_set1_epi32(b.tables.add_zero);
  const __m256i offset = _mm256_set1_epi64x(std::int64_t{1} << 62);
  const __m256i max_code = _mm256_set1_epi64x(b.tables.max_code);
  const auto finish = [&](__m256i sum, __m256i n) {
    const __m256i q = _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(sum, offset), n),
                                       _mm256_srlv_epi64(offset, n));
    const __m256i positive = _mm256_and_si256(q, _mm256_cmpgt_epi64(q, _mm256_setzero_si256()));
    return _mm256_blendv_epi8(positive, max_code, _mm256_cmpgt_epi64(positive, max_code));
  };
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const Halves acc = split(load(b.acc + i * b.acc_stride + k));
    Halves x = {_mm256_add_epi64(_mm256_mul_epi32(acc.even, m.even), r.half.even),
                _mm256_add_epi64(_mm256_mul_epi32(acc.odd, m.odd), r.half.odd)};
    if (adds) {
      const __m256i codes = load_codes(b.shortcut + i * b.code_stride + k, b.channels - k);
      const Halves q2 = split(_mm256_sub_epi32(codes, add_zero));
      x.even = _mm256_add_epi64(x.even, _mm256_mul_epi32(q2.even, add_m.even));
      x.odd = _mm256_add_epi64(x.odd, _mm256_mul_epi32(q2.odd, add_m.odd));
    }
    x = {finish(x.even, r.n.even), finish(x.odd, r.n.odd)};
    store_codes(b.codes + i * b.code_stride + k, join(x), b.channels - k);
  }
}

}  // namespace

void requant_block_avx2(const RequantBlock& b) {
  const bool is_plain = b.shortcut == nullptr && b.tables.zero_point == 0;
  for (std::int64_t k = 0; k < b.channels; k += 8) {
    if (is_plain && b.tables.quick) {
      quick_8(b, k);
    } else if (is_plain) {
      plain_8(b, k);
    } else {
      signed_8(b, k);
    }
  }
}

}  // namespace intandem
#endif
