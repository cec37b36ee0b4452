// The exact fast convolution with AVX-512 VNNI: 64 channels per byte vector, 16 per accumulator
// vector, vpdpbusd for the products.
#include "quant/integer/fastconv_kernels.hpp"

#if defined(__x86_64__)
// GCC 12's own headers start from deliberately undefined vectors (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "quant/integer/fastconv_math.hpp"
#include "quant/integer/requant_avx512.hpp"

namespace intandem {
namespace {

using Bytes = std::uint8_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using SignedWords = std::int32_t __attribute__((vector_size(64)));
constexpr std::int64_t kByteLanes = 64, kWordLanes = 16;

[[gnu::always_inline]] inline Bytes load_codes(const std::uint8_t* p, std::int64_t n) {
  if (n >= kByteLanes) return (Bytes)_mm512_loadu_si512(p);
  return (Bytes)_mm512_maskz_loadu_epi8((__mmask64{1} << n) - 1, p);
}

[[gnu::always_inline]] inline __m512i load_words(const std::int32_t* p) {
  return _mm512_loadu_si512(p);
}

/// Row kRow of pack_rows().
template <int kRow>
[[gnu::always_inline]] inline void store_codes(std::uint8_t* out, __mmask16 lanes, __m512i rows) {
  _mm_mask_storeu_epi8(out, lanes, _mm512_extracti32x4_epi32(rows, kRow));
}

/// kCount neighbouring outputs of one tile row, channels k … k + 15 (the q-th … of this call).
template <int kCount>
[[gnu::always_inline]] inline void store_row(const Words* acc, std::int64_t row, std::int64_t k,
                                             std::int64_t q, const FastConvOutput& tile) {
  const FastConvEpilogue& e = *tile.epilogue;
  const std::int64_t left = tile.channels - q;
  const __mmask16 lanes = left >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1 << left) - 1);
  const std::int64_t at = row + k;
  if (e.mode == FastConvEpilogue::raw) {
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) {
      if (x >= tile.columns) break;
      _mm512_mask_storeu_epi32(tile.accumulators + at + x * tile.column_stride, lanes,
                               (__m512i)acc[x]);
    }
    return;
  }
  const __m512i m = load_words(e.m + k), n = load_words(e.n + k);
  __m512i code[4];
  if (e.mode == FastConvEpilogue::narrow) {
    const __m512i cap = load_words(e.cap + k);
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i half = _mm512_sllv_epi32(one, _mm512_sub_epi32(n, one));
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) code[x] = requant_narrow((__m512i)acc[x], m, n, half, cap);
  } else {
    const __m512i most = _mm512_set1_epi32(e.max_code);
    __m512i m2 = _mm512_setzero_si512();
    if (e.add_m != nullptr) m2 = load_words(e.add_m + k);
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) {
      __m512i shortcut = _mm512_setzero_si512();
      if (e.add_m != nullptr && x < tile.columns) {
        shortcut = _mm512_cvtepu8_epi32(
            _mm_maskz_loadu_epi8(lanes, tile.shortcut + at + x * tile.column_stride));
      }
      code[x] = requant_wide((__m512i)acc[x], m, n, shortcut, m2, most);
    }
  }
#pragma GCC unroll 4
  for (int x = kCount; x < 4; ++x) code[x] = code[0];
  const __m512i rows = pack_rows(code[0], code[1], code[2], code[3]);
  std::uint8_t* out = tile.codes + at;
  const std::int64_t step = tile.column_stride;
  store_codes<0>(out, lanes, rows);
  if (kCount > 1 && tile.columns > 1) store_codes<1>(out + step, lanes, rows);
  if (kCount > 2 && tile.columns > 2) store_codes<2>(out + 2 * step, lanes, rows);
  if (kCount > 3 && tile.columns > 3) store_codes<3>(out + 3 * step, lanes, rows);
}

#include "quant/integer/fastconv_transform_simd.hpp"

/// kRows × 16·kVectors accumulators in registers. The arrays are fully unrolled into registers by
/// GCC 12 and clang 14 (look for vpdpbusd without memory traffic around it).
template <int kRows, int kVectors>
void block(const FastConvProduct& a, std::int64_t first) {
  const std::uint8_t* values = a.values + first * a.value_stride;
  const std::int8_t* weights = a.weights;
  const std::int64_t stride = a.value_stride, quads = a.quads;
  // The first block of rows fetches what the following steps read, two lines at a time.
  const std::int8_t* next = a.next;
  const std::int64_t next_step = first == 0 ? 128 : 0;
  __m512i sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int q = 0; q < kVectors; ++q) sum[r][q] = load_words(a.start + 16 * q);
  }
  for (std::int64_t c = 0; c < quads; ++c) {
    __m512i w[kVectors];
#pragma GCC unroll 4
    for (int q = 0; q < kVectors; ++q) {
      w[q] = _mm512_loadu_si512(weights + 64 * (c * kVectors + q));
    }
    _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(next + 64), _MM_HINT_T1);
    next += next_step;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      std::int32_t four;
      __builtin_memcpy(&four, values + r * stride + 4 * c, 4);
      const __m512i v = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (int q = 0; q < kVectors; ++q) sum[r][q] = _mm512_dpbusd_epi32(sum[r][q], v, w[q]);
    }
  }
  std::int32_t* out = a.products + first * a.product_stride;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int q = 0; q < kVectors; ++q) {
      _mm512_storeu_si512(out + r * a.product_stride + 16 * q, sum[r][q]);
    }
  }
}

using Block = void (*)(const FastConvProduct&, std::int64_t);
constexpr Block kBlocks4[] = {block<1, 4>, block<2, 4>, block<3, 4>,
                              block<4, 4>, block<5, 4>, block<6, 4>};
constexpr Block kBlocks2[] = {block<1, 2>, block<2, 2>,  block<3, 2>,  block<4, 2>,
                              block<5, 2>, block<6, 2>,  block<7, 2>,  block<8, 2>,
                              block<9, 2>, block<10, 2>, block<11, 2>, block<12, 2>};
constexpr Block kBlocks1[] = {block<1, 1>, block<2, 1>,  block<3, 1>,  block<4, 1>,
                              block<5, 1>, block<6, 1>,  block<7, 1>,  block<8, 1>,
                              block<9, 1>, block<10, 1>, block<11, 1>, block<12, 1>};

}  // namespace

void fastconv_input_avx512vnni(const FastConvInput& tile) {
  if (tile.outputs_v == 4) return input_rows<4>(tile);
  if (tile.outputs_v == 2) return input_rows<2>(tile);
  input_rows<1>(tile);
}

void fastconv_weights_avx512vnni(const FastConvWeights& panel) { weights_panel(panel); }

void fastconv_multiply_avx512vnni(const FastConvProduct& a) {
  if (a.rows == 0) return;
  const Block* blocks = a.width == 64 ? kBlocks4 : a.width == 32 ? kBlocks2 : kBlocks1;
  const std::int64_t most = a.width == 64 ? 6 : 12;
  // Nearly equal blocks: one of one row would leave most of the registers idle.
  const std::int64_t count = (a.rows + most - 1) / most;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = a.rows * i / count;
    blocks[a.rows * (i + 1) / count - first - 1](a, first);
  }
}

void fastconv_output_avx512vnni(const FastConvOutput& tile) {
  if (tile.outputs_v == 4) return output_rows<4>(tile);
  if (tile.outputs_v == 2) return output_rows<2>(tile);
  output_rows<1>(tile);
}

}  // namespace intandem
#endif
