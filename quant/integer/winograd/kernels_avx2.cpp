// The exact fast convolution with AVX2: 32 channels per byte vector, 8 per accumulator vector. The
// products go through vpmaddubsw, which adds two of them in 16 bits with saturation; plan_winograd
// admits a layer only if no such sum can reach the limit. Those of s16 operands go through
// vpmaddwd, which adds two in 32 bits: 2·4080·1152 at most.
#include "quant/integer/winograd/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx2.hpp"
#include "quant/integer/winograd/math.hpp"

namespace intandem {
namespace {

using Bytes = std::uint8_t __attribute__((vector_size(32)));
using Shorts = std::uint16_t __attribute__((vector_size(32)));
using Words = std::uint32_t __attribute__((vector_size(32)));
using SignedWords = std::int32_t __attribute__((vector_size(32)));
constexpr std::int64_t kWordLanes = 8;

template <class Values>
[[gnu::always_inline]] inline Values load_codes(const std::uint8_t* p, std::int64_t n) {
  Values codes = {};
  for (std::int64_t i = 0; i < n; ++i) codes[i] = p[i];
  return codes;
}

template <class Values>
[[gnu::always_inline]] inline Values load_all_codes(const std::uint8_t* p) {
  Values codes;
  if constexpr (sizeof(codes[0]) == 1) {
    __builtin_memcpy(&codes, p, sizeof codes);
  } else {
    codes = (Values)_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  return codes;
}

/// kCount neighbouring outputs of one tile row, channels k … k + 7 (the q-th … of this call).
template <int kCount>
[[gnu::always_inline]] inline void store_row(const Words* acc, std::int64_t row, std::int64_t k,
                                             std::int64_t q, const WinogradOutput& tile) {
  const RequantTables& t = *tile.tables;
  const std::int64_t left = tile.channels - q, lanes = left < 8 ? left : 8;
  for (int x = 0; x < kCount && x < tile.columns; ++x) {
    const std::int64_t at = row + k + x * tile.column_stride;
    const __m256i sum = (__m256i)acc[x];
    if (tile.accumulators != nullptr) {
      alignas(32) std::int32_t buffer[8];
      store(buffer, sum);
      for (std::int64_t i = 0; i < lanes; ++i) tile.accumulators[at + i] = buffer[i];
      continue;
    }
    __m256i code;
    if (t.quick) {
      code = quick_step(sum, quick_requant(t.m + k, t.n + k));
    } else {
      const __m256i m = load(t.m + k), n = load(t.n + k);
      __m256i shortcut = _mm256_setzero_si256(), m2 = shortcut;
      if (t.add_m != nullptr) {
        std::uint64_t codes = 0;
        __builtin_memcpy(&codes, tile.shortcut + at, static_cast<unsigned long>(lanes));
        shortcut = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(codes)));
        shortcut = _mm256_sub_epi32(shortcut, _mm256_set1_epi32(t.add_zero));
        m2 = load(t.add_m + k);
      }
      code = requant_wide(sum, m, n, shortcut, m2, _mm256_set1_epi32(t.max_code), t.zero_point);
    }
    const __m128i half_words =
        _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
    const long long bytes = _mm_cvtsi128_si64(_mm_min_epu8(
        _mm_packus_epi16(half_words, half_words), _mm_set1_epi8(static_cast<char>(t.max_code))));
    if (lanes == 8) {
      __builtin_memcpy(tile.codes + at, &bytes, 8);
    } else {
      __builtin_memcpy(tile.codes + at, &bytes, static_cast<unsigned long>(lanes));
    }
  }
}

#include "quant/integer/winograd/transform_simd.hpp"

/// Pairs of 16-bit products per lane are added in 32 bits; those of bytes first in 16 bits.
template <bool kBytes>
[[gnu::always_inline]] inline __m256i multiply_add(__m256i acc, __m256i values, __m256i weights) {
  const __m256i sums =
      kBytes ? _mm256_madd_epi16(_mm256_maddubs_epi16(values, weights), _mm256_set1_epi16(1))
             : _mm256_madd_epi16(values, weights);
  return _mm256_add_epi32(acc, sums);
}

/// As many rows as indices × 16 accumulators; values of the block, products of its first tile, both
/// at `column`. The fold expressions name every accumulator by a constant, so that each gets a
/// register: 12 of them, two vectors of weights, the values and a product fill the 16; bytes have 8
/// and the ones. `next` is fetched, `next_step` bytes a step.
template <bool kBytes, int... I>
void block(const WinogradProduct& a, const std::uint8_t* values, std::int32_t* out,
           std::int64_t column, const std::int8_t* next, std::int64_t next_step, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  __m256i low[kRows], high[kRows];
  ((low[I] = high[I] = _mm256_setzero_si256()), ...);
  const std::int64_t step = a.width * 4;
  for (std::int64_t piece = 0; piece < a.pieces; ++piece) {
    const std::int8_t* w = a.weights[piece] + column * 4;
    for (std::int64_t quads = a.quads; quads > 0; quads -= kValueChunk / 4) {
      const std::uint8_t* const end = values + (quads < 16 ? quads * 4 : kValueChunk);
      for (const std::uint8_t* v = values; v < end; v += 4, w += step, next += next_step) {
        const __m256i w0 = load(w), w1 = load(w + 32);
        _mm_prefetch(next, _MM_HINT_T1);
        __m256i group;
        ((group = broadcast_group(v + I * kValueChunk),
          low[I] = multiply_add<kBytes>(low[I], group, w0),
          high[I] = multiply_add<kBytes>(high[I], group, w1)),
         ...);
      }
      values += kRows * kValueChunk;
    }
  }
  ((store(out + I * kPanelWidth + column, low[I]),
    store(out + I * kPanelWidth + column + 8, high[I])),
   ...);
}

template <bool kBytes>
void multiply(const WinogradProduct& a) {
  constexpr int kMostRows = kBytes ? 4 : 6;
  const std::int64_t chunks = (4 * a.quads + kValueChunk - 1) / kValueChunk;
  const WinogradBlocks& blocks = a.blocks;
  // A step of every block and half of the columns fetches its part of `next`.
  const std::int64_t next_step = blocks.count >= 4 ? 16 : blocks.count >= 2 ? 32 : 64;
  const std::int8_t* next = a.next;
  for (std::int64_t column = 0; column < a.width; column += 16) {
    const std::uint8_t* values = a.values;
    std::int32_t* out = a.products;
    for (std::int64_t i = 0; i < blocks.count; ++i) {
      const std::int64_t height = blocks.height + (i < blocks.taller ? 1 : 0);
      with_rows<kMostRows>(
          height, [&](auto rows) { block<kBytes>(a, values, out, column, next, next_step, rows); });
      next += a.pieces * a.quads * next_step;
      values += height * a.pieces * chunks * kValueChunk;
      out += height * kPanelWidth;
    }
  }
}

}  // namespace

void winograd_input_avx2(const WinogradInput& tile) { input_any<Bytes>(tile); }
void winograd_input_wide_avx2(const WinogradInput& tile) { input_any<Shorts>(tile); }

void winograd_multiply_avx2(const WinogradProduct& a) { multiply<true>(a); }
void winograd_multiply_wide_avx2(const WinogradProduct& a) { multiply<false>(a); }

void winograd_output_avx2(const WinogradOutput& tile) { output_any(tile); }

}  // namespace intandem
#endif
