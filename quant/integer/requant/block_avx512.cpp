// Requantization of 16 channels at a time with AVX-512.
#include "quant/integer/requant/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/vectors_avx512.hpp"

namespace intandem {
namespace {

// Up to 16 channels.
void quick_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const QuickRequant c = quick_requant(b.tables.m + k, b.tables.n + k);
  const __m512i max_code = _mm512_set1_epi32(b.tables.max_code), zero = _mm512_setzero_si512();
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const __m512i acc = _mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k);
    const __m512i codes = _mm512_max_epi32(_mm512_min_epi32(quick_step(acc, c), max_code), zero);
    _mm512_mask_cvtepi32_storeu_epi8(b.codes + i * b.code_stride + k, lanes, codes);
  }
}

// 32 channels of two rows at a time, so that one narrowing serves 64 codes.
void quick_32(const RequantBlock& b, std::int64_t k) {
  const RequantTables& t = b.tables;
  const QuickRequant low = quick_requant(t.m + k, t.n + k);
  const QuickRequant high = quick_requant(t.m + k + 16, t.n + k + 16);
  const __m512i max_code = _mm512_set1_epi8(static_cast<char>(b.tables.max_code));
  for (std::int64_t i = 0; i < b.rows; i += 2) {
    const bool two = i + 1 < b.rows;
    const std::int32_t* acc = b.acc + i * b.acc_stride + k;
    const std::int32_t* next = two ? acc + b.acc_stride : acc;
    const __m512i codes =
        _mm512_min_epu8(pack_rows(quick_step(_mm512_loadu_si512(acc), low),
                                  quick_step(_mm512_loadu_si512(acc + 16), high),
                                  quick_step(_mm512_loadu_si512(next), low),
                                  quick_step(_mm512_loadu_si512(next + 16), high)),
                        max_code);
    std::uint8_t* out = b.codes + i * b.code_stride + k;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_castsi512_si256(codes));
    if (two) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + b.code_stride),
                          _mm512_extracti64x4_epi64(codes, 1));
    }
  }
}

// Any n, a shortcut, a zero point: a negative accumulator may still give a positive sum.
void wide_16(const RequantBlock& b, std::int64_t k, __mmask16 lanes) {
  const RequantTables& t = b.tables;
  const __m512i m = _mm512_loadu_si512(t.m + k), n = _mm512_loadu_si512(t.n + k);
  const __m512i max_code = _mm512_set1_epi32(t.max_code), add_zero = _mm512_set1_epi32(t.add_zero);
  const std::int32_t zero_point = t.zero_point;  // or each row reads it again: codes are bytes
  const bool adds = b.shortcut != nullptr;
  const __m512i add_m = adds ? _mm512_loadu_si512(t.add_m + k) : _mm512_setzero_si512();
  __m512i shortcut = _mm512_setzero_si512();
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const std::int64_t at = i * b.code_stride + k;
    if (adds) {
      const __m128i codes = _mm_maskz_loadu_epi8(lanes, b.shortcut + at);
      shortcut = _mm512_sub_epi32(_mm512_cvtepu8_epi32(codes), add_zero);
    }
    const __m512i acc = _mm512_maskz_loadu_epi32(lanes, b.acc + i * b.acc_stride + k);
    _mm512_mask_cvtepi32_storeu_epi8(
        b.codes + at, lanes, requant_wide(acc, m, n, shortcut, add_m, max_code, zero_point));
  }
}

}  // namespace

void requant_block_avx512(const RequantBlock& b) {
  std::int64_t k = 0;
  for (; b.tables.quick && k + 32 <= b.channels; k += 32) quick_32(b, k);
  for (; k < b.channels; k += 16) {
    const std::int64_t rest = b.channels - k;
    const auto lanes = static_cast<__mmask16>(rest >= 16 ? 0xFFFF : (1 << rest) - 1);
    b.tables.quick ? quick_16(b, k, lanes) : wide_16(b, k, lanes);
  }
}

}  // namespace intandem
#endif
