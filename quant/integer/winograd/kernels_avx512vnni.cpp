// The exact fast convolution with AVX-512 VNNI: 64 channels per byte vector, 16 per accumulator
// vector, vpdpbusd for the products; vpdpwssd for those of s16 operands.
#include "quant/integer/winograd/kernels.hpp"

#if defined(__x86_64__)
// GCC 12's own headers start from deliberately undefined vectors (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx512.hpp"
#include "quant/integer/winograd/math.hpp"

namespace intandem {
namespace {

using Bytes = std::uint8_t __attribute__((vector_size(64)));
using Shorts = std::uint16_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using SignedWords = std::int32_t __attribute__((vector_size(64)));
constexpr std::int64_t kWordLanes = 16;

template <class Values>
[[gnu::always_inline]] inline Values load_codes(const std::uint8_t* p, std::int64_t n) {
  const __mmask64 lanes = (__mmask64{1} << n) - 1;
  if constexpr (sizeof(Values{}[0]) == 1) return (Values)_mm512_maskz_loadu_epi8(lanes, p);
  return (Values)_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(static_cast<__mmask32>(lanes), p));
}

template <class Values>
[[gnu::always_inline]] inline Values load_all_codes(const std::uint8_t* p) {
  if constexpr (sizeof(Values{}[0]) == 1) return (Values)_mm512_loadu_si512(p);
  return (Values)_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

/// Row kRow of pack_rows().
template <int kRow>
[[gnu::always_inline]] inline void store_codes(std::uint8_t* out, __mmask16 lanes, __m512i rows) {
  _mm_mask_storeu_epi8(out, lanes, _mm512_extracti32x4_epi32(rows, kRow));
}

/// kCount neighbouring outputs of one tile row, channels k … k + 15 (the q-th … of this call).
template <int kCount>
[[gnu::always_inline]] inline void store_row(const Words* acc, std::int64_t row, std::int64_t k,
                                             std::int64_t q, const WinogradOutput& tile) {
  const RequantTables& t = *tile.tables;
  const std::int64_t left = tile.channels - q;
  const __mmask16 lanes = left >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1 << left) - 1);
  const std::int64_t at = row + k;
  if (tile.accumulators != nullptr) {
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) {
      if (x >= tile.columns) break;
      _mm512_mask_storeu_epi32(tile.accumulators + at + x * tile.column_stride, lanes,
                               (__m512i)acc[x]);
    }
    return;
  }
  __m512i code[4];
  if (t.quick) {
    const QuickRequant constants = quick_requant(t.m + k, t.n + k);
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) code[x] = quick_step((__m512i)acc[x], constants);
  } else {
    const __m512i m = _mm512_loadu_si512(t.m + k), n = _mm512_loadu_si512(t.n + k);
    const __m512i most = _mm512_set1_epi32(t.max_code);
    __m512i m2 = _mm512_setzero_si512();
    if (t.add_m != nullptr) m2 = _mm512_loadu_si512(t.add_m + k);
#pragma GCC unroll 4
    for (int x = 0; x < kCount; ++x) {
      __m512i shortcut = _mm512_setzero_si512();
      if (t.add_m != nullptr && x < tile.columns) {
        shortcut = _mm512_cvtepu8_epi32(
            _mm_maskz_loadu_epi8(lanes, tile.shortcut + at + x * tile.column_stride));
        shortcut = _mm512_sub_epi32(shortcut, _mm512_set1_epi32(t.add_zero));
      }
      code[x] = requant_wide((__m512i)acc[x], m, n, shortcut, m2, most, t.zero_point);
    }
  }
#pragma GCC unroll 4
  for (int x = kCount; x < 4; ++x) code[x] = code[0];
  const __m512i rows = _mm512_min_epu8(pack_rows(code[0], code[1], code[2], code[3]),
                                       _mm512_set1_epi8(static_cast<char>(t.max_code)));
  std::uint8_t* out = tile.codes + at;
  const std::int64_t step = tile.column_stride;
  store_codes<0>(out, lanes, rows);
  if (kCount > 1 && tile.columns > 1) store_codes<1>(out + step, lanes, rows);
  if (kCount > 2 && tile.columns > 2) store_codes<2>(out + 2 * step, lanes, rows);
  if (kCount > 3 && tile.columns > 3) store_codes<3>(out + 3 * step, lanes, rows);
}

#include "quant/integer/winograd/transform_simd.hpp"

constexpr std::int64_t kChunkQuads = kValueChunk / 4;

/// Four products of bytes per lane, or two of 16 bits, are added modulo 2³².
template <bool kWords>
[[gnu::always_inline]] inline __m512i multiply_add(__m512i acc, __m512i values, __m512i weights) {
  return kWords ? _mm512_dpwssd_epi32(acc, values, weights)
                : _mm512_dpbusd_epi32(acc, values, weights);
}

/// Consecutive blocks of one height out of `all`, which begin with a row of the position.
struct BlockRange {
  std::int64_t first, last, all, first_row;
  std::int64_t next_step;  ///< bytes of WinogradProduct::next that a step fetches
};

/// Register blocks, each of as many rows as indices × kVectors · 16 channels. The fold
/// expressions name every accumulator by a constant, so that each gets a register: 24, two or four
/// vectors of weights and one of values. One pointer runs over the
/// values and one over the weights: for a pointer per row there are not registers enough. All
/// blocks of a height in one loop: a call per block costs as much as six to eight of its steps.
template <bool kWords, int kVectors, int... I>
void multiply_blocks(const WinogradProduct& a, const BlockRange& range, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  const std::int64_t chunks = (a.quads + kChunkQuads - 1) / kChunkQuads;
  const std::uint8_t* values = a.values + range.first_row * a.pieces * chunks * kValueChunk;
  const std::int64_t pitch = a.block.panel_width;
  std::int32_t* out = a.products + range.first_row * pitch;
  const std::int8_t* next = a.next + range.first * a.pieces * a.quads * range.next_step;
  for (std::int64_t b = range.first; b < range.last; ++b, out += kRows * pitch) {
    __m512i sum0[kRows], sum1[kRows], sum2[kRows], sum3[kRows];
    ((sum0[I] = sum1[I] = sum2[I] = sum3[I] = _mm512_setzero_si512()), ...);
    for (std::int64_t piece = 0; piece < a.pieces; ++piece) {
      constexpr std::int64_t kStepBytes = 64 * kVectors;
      const std::int8_t* weights = a.weights[piece];
      const auto step = [&](const std::uint8_t* v) __attribute__((always_inline)) {
        const __m512i w0 = _mm512_load_si512(weights);
        const __m512i w1 = kVectors > 1 ? _mm512_load_si512(weights + 64) : w0;
        const __m512i w2 = kVectors > 2 ? _mm512_load_si512(weights + 128) : w0;
        const __m512i w3 = kVectors > 3 ? _mm512_load_si512(weights + 192) : w0;
        weights += kStepBytes;
        __m512i value;
        ((value = broadcast_group(v + I * kValueChunk),
          sum0[I] = multiply_add<kWords>(sum0[I], value, w0),
          sum1[I] = kVectors > 1 ? multiply_add<kWords>(sum1[I], value, w1) : sum1[I],
          sum2[I] = kVectors > 2 ? multiply_add<kWords>(sum2[I], value, w2) : sum2[I],
          sum3[I] = kVectors > 3 ? multiply_add<kWords>(sum3[I], value, w3) : sum3[I]),
         ...);
      };
      std::int64_t quads = a.quads;
      for (; quads >= kChunkQuads; quads -= kChunkQuads) {
        const std::uint8_t* ahead = values + kRows * kValueChunk;  // the next chunk
        for (const std::uint8_t* const end = values + kValueChunk; values < end; values += 16) {
          step(values);
          step(values + 4);
          step(values + 8);
          step(values + 12);
          _mm_prefetch(ahead, _MM_HINT_T0);
          if (kRows > 4) _mm_prefetch(ahead + 64, _MM_HINT_T0);
          if (kRows > 8) _mm_prefetch(ahead + 128, _MM_HINT_T0);
          ahead += kRows > 8 ? 192 : kRows > 4 ? 128 : 64;
          for (std::int64_t line = 0; line < 4 * range.next_step; line += 64) {
            _mm_prefetch(next + line, _MM_HINT_T1);
          }
          next += 4 * range.next_step;
        }
        values += (kRows - 1) * kValueChunk;
      }
      if (quads == 0) continue;
      for (std::int64_t quad = 0; quad < quads; ++quad) {
        step(values + 4 * quad);
        _mm_prefetch(next, _MM_HINT_T1);
        next += range.next_step;
      }
      values += kRows * kValueChunk;
    }
    const auto store = [&](std::int32_t * row, int vector, __m512i sum)
        __attribute__((always_inline)) {
      if (vector < kVectors) _mm512_store_si512(row + 16 * vector, sum);
    };
    ((store(out + pitch * I, 0, sum0[I]), store(out + pitch * I, 1, sum1[I]),
      store(out + pitch * I, 2, sum2[I]), store(out + pitch * I, 3, sum3[I])),
     ...);
  }
}

template <bool kWords, int... I>
void multiply_height(const WinogradProduct& a, const BlockRange& range, Rows<I...> rows) {
  constexpr bool kLow = sizeof...(I) <= 6;
  if constexpr (kLow) {
    if (a.width == 64) return multiply_blocks<kWords, 4>(a, range, rows);
    if (a.width == 48) return multiply_blocks<kWords, 3>(a, range, rows);
  }
  if constexpr (kLow || !kWords) {  // 16-bit operands have blocks of 6 × 64 only
    if (a.width == 32) return multiply_blocks<kWords, 2>(a, range, rows);
    multiply_blocks<kWords, 1>(a, range, rows);
  }
}

template <bool kWords>
void multiply(const WinogradProduct& a) {
  const WinogradBlocks& blocks = a.blocks;
  const std::int64_t taller = blocks.taller, all = blocks.count, height = blocks.height;
  // The blocks of the position fetch `next` together: half a line to four lines per step.
  const std::int64_t panels = a.block.panel_width / 32;
  const std::int64_t next_step = all >= 4 * panels   ? 32
                                 : all >= 2 * panels ? 64
                                 : all >= panels     ? 128
                                                     : 256;
  const auto run = [&](std::int64_t rows, const BlockRange& range) {
    with_rows<12>(rows, [&](auto each) { multiply_height<kWords>(a, range, each); });
  };
  if (taller > 0) run(height + 1, {0, taller, all, 0, next_step});
  run(height, {taller, all, all, taller * (height + 1), next_step});
}

}  // namespace

void winograd_input_avx512vnni(const WinogradInput& tile) { input_any<Bytes>(tile); }
void winograd_input_wide_avx512vnni(const WinogradInput& tile) { input_any<Shorts>(tile); }

void winograd_multiply_avx512vnni(const WinogradProduct& a) { multiply<false>(a); }
void winograd_multiply_wide_avx512vnni(const WinogradProduct& a) { multiply<true>(a); }

void winograd_output_avx512vnni(const WinogradOutput& tile) { output_any(tile); }

}  // namespace intandem
#endif
