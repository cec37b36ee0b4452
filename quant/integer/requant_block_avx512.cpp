// Requantization of 16 channels at a time with AVX-512: 32×32→64-bit products of the even and of
// the odd lanes. See requant_block.hpp for why the plain path may clamp first.
#include "quant/integer/requant_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

/// A pair of vectors of 64-bit lanes: channels 0, 2, … and channels 1, 3, ….
struct Halves {
  __m512i even, odd;
};

// The 16 numbers as (even, odd) in the low 32 bits of the lanes; the high bits of `even` hold the
// odd numbers, which multiplications ignore.
[[gnu::always_inline]] inline Halves split(__m512i x) { return {x, _mm512_srli_epi64(x, 32)}; }

[[gnu::always_inline]] inline __m512i join(Halves x) {
  return _mm512_mask_blend_epi32(0xAAAA, x.even, _mm512_slli_epi64(x.odd, 32));
}

/// Shifts and halves 2^(n−1) as 64-bit lanes.
struct Rounding {
  Halves n, half;
};

[[gnu::always_inline]] inline Rounding rounding(__m512i n) {
  const Halves shifts = {_mm512_and_si512(n, _mm512_set1_epi64(0xFFFFFFFF)),
                         _mm512_srli_epi64(n, 32)};
  const __m512i one = _mm512_set1_epi64(1);
  return {shifts,
          {_mm512_sllv_epi64(one, _mm512_sub_epi64(shifts.even, one)),
           _mm512_sllv_epi64(one, _mm512_sub_epi64(shifts.odd, one))}};
}

void plain_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const Rounding r = rounding(_mm512_loadu_si512(b.tables.n + k));
  const Halves m = split(_mm512_loadu_si512(b.tables.m + k));
  const __m512i ceiling = _mm512_loadu_si512(b.tables.ceiling + k);
  const __m512i max_code = _mm512_set1_epi32(b.tables.max_code);
  for (std::int64_t i = 0; i < b.rows; ++i) {
    __m512i acc = _mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k);
    acc = _mm512_min_epi32(_mm512_max_epi32(acc, _mm512_setzero_si512()), ceiling);
    Halves x = split(acc);
    x.even = _mm512_add_epi64(_mm512_mul_epu32(x.even, m.even), r.half.even);
    x.odd = _mm512_add_epi64(_mm512_mul_epu32(x.odd, m.odd), r.half.odd);
    x.even = _mm512_srlv_epi64(x.even, r.n.even);
    x.odd = _mm512_srlv_epi64(x.odd, r.n.odd);
    const __m512i codes = _mm512_min_epi32(join(x), max_code);
    _mm512_mask_cvtepi32_storeu_epi8(b.codes + i * b.code_stride + k, lanes, codes);
  }
}

// With a shortcut a negative accumulator may still give a positive sum, so everything is signed and
// the clamp comes last, in 64 bits.
void add_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const Rounding r = rounding(_mm512_loadu_si512(b.tables.n + k));
  const Halves m = split(_mm512_loadu_si512(b.tables.m + k));
  const Halves add_m = split(_mm512_loadu_si512(b.tables.add_m + k));
  const __m512i max_code = _mm512_set1_epi64(b.tables.max_code);
  const auto finish = [&](__m512i sum, __m512i n) {
    const __m512i q = _mm512_max_epi64(_mm512_srav_epi64(sum, n), _mm512_setzero_si512());
    return _mm512_min_epi64(q, max_code);
  };
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const Halves acc = split(_mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k));
    const Halves q2 = split(
        _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, b.shortcut + i * b.code_stride + k)));
    Halves x = {_mm512_add_epi64(_mm512_mul_epi32(acc.even, m.even), r.half.even),
                _mm512_add_epi64(_mm512_mul_epi32(acc.odd, m.odd), r.half.odd)};
    x.even = _mm512_add_epi64(x.even, _mm512_mul_epu32(q2.even, add_m.even));
    x.odd = _mm512_add_epi64(x.odd, _mm512_mul_epu32(q2.odd, add_m.odd));
    x = {finish(x.even, r.n.even), finish(x.odd, r.n.odd)};
    _mm512_mask_cvtepi32_storeu_epi8(b.codes + i * b.code_stride + k, lanes, join(x));
  }
}

}  // namespace

void requant_block_avx512(const RequantBlock& b) {
  for (std::int64_t k = 0; k < b.channels; k += 16) {
    const std::int64_t rest = b.channels - k;
    const auto lanes = static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1 << rest) - 1);
    if (b.shortcut == nullptr) {
      plain_16(b, k, lanes);
    } else {
      add_16(b, k, lanes);
    }
  }
}

}  // namespace intandem
#endif
