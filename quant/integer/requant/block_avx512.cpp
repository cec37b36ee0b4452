// Requantization of 16 channels at a time with AVX-512: 32×32→64-bit products of the even and of
// the odd lanes. See requant/block.hpp for why the plain path may clamp first.
#include "quant/integer/requant/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/requant/vectors_avx512.hpp"

namespace intandem {
namespace {

/// A pair of vectors of 64-bit lanes: channels 0, 2, … and channels 1, 3, ….
struct Halves {
  __m512i even, odd;
};

// The 16 numbers as (even, odd) in the low 32 bits of the lanes; multiplications ignore the high
// bits. A shuffle rather than a shift: multiplies and shifts already fill the first vector port.
[[gnu::always_inline]] inline Halves split(__m512i x) {
  return {x, _mm512_shuffle_epi32(x, _MM_PERM_DDBB)};
}

[[gnu::always_inline]] inline __m512i join(Halves x) {
  return _mm512_mask_shuffle_epi32(x.even, 0xAAAA, x.odd, _MM_PERM_CCAA);
}

/// Shifts, and halves 2^(n−1) with the zero point Z·2^n (Q17), as 64-bit lanes.
struct Rounding {
  Halves n, half;
};

[[gnu::always_inline]] inline Rounding rounding(__m512i n, std::int32_t zero_point = 0) {
  const Halves shifts = {_mm512_and_si512(n, _mm512_set1_epi64(0xFFFFFFFF)),
                         _mm512_srli_epi64(n, 32)};
  const __m512i one = _mm512_set1_epi64(1);
  const __m512i halves = _mm512_set1_epi64(2 * std::int64_t{zero_point} + 1);
  return {shifts,
          {_mm512_sllv_epi64(halves, _mm512_sub_epi64(shifts.even, one)),
           _mm512_sllv_epi64(halves, _mm512_sub_epi64(shifts.odd, one))}};
}

/// The constants of 16 channels without a shortcut.
struct Plain {
  Rounding r;
  Halves m;
  __m512i ceiling;
};

[[gnu::always_inline]] inline Plain plain_constants(const RequantTables& tables, std::int64_t k) {
  return {rounding(_mm512_loadu_si512(tables.n + k)), split(_mm512_loadu_si512(tables.m + k)),
          _mm512_loadu_si512(tables.ceiling + k)};
}

// Codes before the upper clamp, 0 … 2^15 − 1.
[[gnu::always_inline]] inline __m512i plain_step(__m512i acc, const Plain& c) {
  acc = _mm512_min_epi32(_mm512_max_epi32(acc, _mm512_setzero_si512()), c.ceiling);
  Halves x = split(acc);
  x.even = _mm512_add_epi64(_mm512_mul_epu32(x.even, c.m.even), c.r.half.even);
  x.odd = _mm512_add_epi64(_mm512_mul_epu32(x.odd, c.m.odd), c.r.half.odd);
  x.even = _mm512_srlv_epi64(x.even, c.r.n.even);
  x.odd = _mm512_srlv_epi64(x.odd, c.r.n.odd);
  return join(x);
}

// Either way to requantize behind one name.
[[gnu::always_inline]] inline Plain constants_of(const Plain*, const RequantTables& t,
                                                 std::int64_t k) {
  return plain_constants(t, k);
}
[[gnu::always_inline]] inline QuickRequant constants_of(const QuickRequant*, const RequantTables& t,
                                                        std::int64_t k) {
  return quick_requant(t.m + k, t.n + k);
}
[[gnu::always_inline]] inline __m512i step(__m512i acc, const Plain& c) {
  return plain_step(acc, c);
}
[[gnu::always_inline]] inline __m512i step(__m512i acc, const QuickRequant& c) {
  return quick_step(acc, c);
}

// Up to 16 channels.
template <class Constants>
void requant_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const Constants c = constants_of(static_cast<Constants*>(nullptr), b.tables, k);
  const __m512i max_code = _mm512_set1_epi32(b.tables.max_code), zero = _mm512_setzero_si512();
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const __m512i acc = _mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k);
    const __m512i codes = _mm512_max_epi32(_mm512_min_epi32(step(acc, c), max_code), zero);
    _mm512_mask_cvtepi32_storeu_epi8(b.codes + i * b.code_stride + k, lanes, codes);
  }
}

// 32 channels of two rows at a time, so that one narrowing serves 64 codes.
template <class Constants>
void requant_32(const RequantBlock& b, std::int64_t k) {
  const Constants low = constants_of(static_cast<Constants*>(nullptr), b.tables, k);
  const Constants high = constants_of(static_cast<Constants*>(nullptr), b.tables, k + 16);
  const __m512i max_code = _mm512_set1_epi8(static_cast<char>(b.tables.max_code));
  for (std::int64_t i = 0; i < b.rows; i += 2) {
    const bool two = i + 1 < b.rows;
    const std::int32_t* acc = b.acc + i * b.acc_stride + k;
    const std::int32_t* next = two ? acc + b.acc_stride : acc;
    const __m512i codes = _mm512_min_epu8(
        pack_rows(step(_mm512_loadu_si512(acc), low), step(_mm512_loadu_si512(acc + 16), high),
                  step(_mm512_loadu_si512(next), low), step(_mm512_loadu_si512(next + 16), high)),
        max_code);
    std::uint8_t* out = b.codes + i * b.code_stride + k;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_castsi512_si256(codes));
    if (two) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + b.code_stride),
                          _mm512_extracti64x4_epi64(codes, 1));
    }
  }
}

template <class Constants>
void requant_plain(const RequantBlock& b) {
  std::int64_t k = 0;
  for (; k + 32 <= b.channels; k += 32) requant_32<Constants>(b, k);
  for (; k < b.channels; k += 16) {
    const std::int64_t rest = b.channels - k;
    requant_16<Constants>(b, k, static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1 << rest) - 1));
  }
}

// With a shortcut or a zero point a negative accumulator may still give a positive sum, so
// everything is signed and the clamp comes last, in 64 bits.
void signed_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const Rounding r = rounding(_mm512_loadu_si512(b.tables.n + k), b.tables.zero_point);
  const Halves m = split(_mm512_loadu_si512(b.tables.m + k));
  const bool adds = b.shortcut != nullptr;
  const Halves add_m =
      split(adds ? _mm512_loadu_si512(b.tables.add_m + k) : _mm512_setzero_si512());
  const __m512i add_zero = _mm512_set1_epi32(b.tables.add_zero);
  const __m512i max_code = _mm512_set1_epi64(b.tables.max_code);
  const auto finish = [&](__m512i sum, __m512i n) {
    const __m512i q = _mm512_max_epi64(_mm512_srav_epi64(sum, n), _mm512_setzero_si512());
    return _mm512_min_epi64(q, max_code);
  };
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const Halves acc = split(_mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k));
    Halves x = {_mm512_add_epi64(_mm512_mul_epi32(acc.even, m.even), r.half.even),
                _mm512_add_epi64(_mm512_mul_epi32(acc.odd, m.odd), r.half.odd)};
    if (adds) {
      const __m128i codes = _mm_maskz_loadu_epi8(lanes, b.shortcut + i * b.code_stride + k);
      const Halves q2 = split(_mm512_sub_epi32(_mm512_cvtepu8_epi32(codes), add_zero));
      x.even = _mm512_add_epi64(x.even, _mm512_mul_epi32(q2.even, add_m.even));
      x.odd = _mm512_add_epi64(x.odd, _mm512_mul_epi32(q2.odd, add_m.odd));
    }
    x = {finish(x.even, r.n.even), finish(x.odd, r.n.odd)};
    _mm512_mask_cvtepi32_storeu_epi8(b.codes + i * b.code_stride + k, lanes, join(x));
  }
}

}  // namespace

void requant_block_avx512(const RequantBlock& b) {
  if (b.shortcut == nullptr && b.tables.zero_point == 0) {
    return b.tables.quick ? requant_plain<QuickRequant>(b) : requant_plain<Plain>(b);
  }
  for (std::int64_t k = 0; k < b.channels; k += 16) {
    const std::int64_t rest = b.channels - k;
    signed_16(b, k, static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1 << rest) - 1));
  }
}

}  // namespace intandem
#endif
