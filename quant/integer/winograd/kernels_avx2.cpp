// The exact fast convolution with AVX2: 32 channels per byte vector, 8 per accumulator vector. The
// products go through vpmaddubsw, which adds two of them in 16 bits with saturation; plan_winograd
// admits a layer only if no such sum can reach the limit. Those of s16 operands go through
// vpmaddwd, which adds two in 32 bits: 2·4080·1152 at most.
#include "quant/integer/winograd/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/equidistant.hpp"
#include "quant/integer/register_tiles.hpp"
#include "quant/integer/requant/vectors_avx2.hpp"
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

[[gnu::always_inline]] inline __m256i load_words(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

[[gnu::always_inline]] inline void store_words(std::int32_t* p, __m256i words) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), words);
}

[[gnu::always_inline]] inline __m256i broadcast_quad(const std::uint8_t* values) {
  std::int32_t four;
  __builtin_memcpy(&four, values, 4);
  return _mm256_set1_epi32(four);
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
      _mm256_store_si256(reinterpret_cast<__m256i*>(buffer), sum);
      for (std::int64_t i = 0; i < lanes; ++i) tile.accumulators[at + i] = buffer[i];
      continue;
    }
    __m256i code;
    if (t.quick) {
      code = quick_step(sum, quick_requant(t.m + k, t.n + k));
    } else {
      const __m256i m = load_words(t.m + k), n = load_words(t.n + k);
      __m256i shortcut = _mm256_setzero_si256(), m2 = shortcut;
      if (t.add_m != nullptr) {
        std::uint64_t codes = 0;
        __builtin_memcpy(&codes, tile.shortcut + at, static_cast<unsigned long>(lanes));
        shortcut = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(codes)));
        shortcut = _mm256_sub_epi32(shortcut, _mm256_set1_epi32(t.add_zero));
        m2 = load_words(t.add_m + k);
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

/// kRows × 16 accumulators; values of the block, products of its first tile, both at `column`.
template <int kRows>
void block(const WinogradProduct& a, const std::uint8_t* values, std::int32_t* out,
           std::int64_t column) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const std::int64_t step = a.width / 8;
  for (std::int64_t piece = 0; piece < a.pieces; ++piece) {
    const auto* w = reinterpret_cast<const __m256i*>(a.weights[piece] + column * 4);
    for (std::int64_t quads = a.quads; quads > 0; quads -= kValueChunk / 4) {
      const std::uint8_t* const end = values + (quads < 16 ? quads * 4 : kValueChunk);
      for (const std::uint8_t* v4 = values; v4 < end; v4 += 4, w += step) {
        const __m256i w0 = _mm256_loadu_si256(w), w1 = _mm256_loadu_si256(w + 1);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const __m256i v = broadcast_quad(v4 + r * kValueChunk);
          sum[r][0] =
              _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(_mm256_maddubs_epi16(v, w0), ones));
          sum[r][1] =
              _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(_mm256_maddubs_epi16(v, w1), ones));
        }
      }
      values += kRows * kValueChunk;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    store_words(out + r * kPanelWidth + column, sum[r][0]);
    store_words(out + r * kPanelWidth + column + 8, sum[r][1]);
  }
}

/// A block of s16 operands, as `block`: as many rows as indices. The fold expressions name every
/// accumulator by a constant, so that each gets a register: 12 of them, two vectors of weights, a
/// pair of values and a product fill the 16. `next` is fetched, `next_step` bytes a step.
template <int... I>
void block_wide(const WinogradProduct& a, const std::uint8_t* values, std::int32_t* out,
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
        const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
        const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32));
        _mm_prefetch(next, _MM_HINT_T1);
        __m256i pair;
        ((pair = broadcast_quad(v + I * kValueChunk),
          low[I] = _mm256_add_epi32(low[I], _mm256_madd_epi16(pair, w0)),
          high[I] = _mm256_add_epi32(high[I], _mm256_madd_epi16(pair, w1))),
         ...);
      }
      values += kRows * kValueChunk;
    }
  }
  ((store_words(out + I * kPanelWidth + column, low[I]),
    store_words(out + I * kPanelWidth + column + 8, high[I])),
   ...);
}

using Block = void (*)(const WinogradProduct&, const std::uint8_t*, std::int32_t*, std::int64_t);
constexpr Block kBlocks[] = {block<1>, block<2>, block<3>, block<4>};

}  // namespace

void winograd_input_avx2(const WinogradInput& tile) { input_any<Bytes>(tile); }
void winograd_input_wide_avx2(const WinogradInput& tile) { input_any<Shorts>(tile); }

void winograd_multiply_avx2(const WinogradProduct& a) {
  const std::int64_t value_stride =
      a.pieces * ((4 * a.quads + kValueChunk - 1) / kValueChunk * kValueChunk);
  const WinogradBlocks& blocks = a.blocks;
  for (std::int64_t column = 0; column < a.width; column += 16) {
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < blocks.count; ++i) {
      const std::int64_t height = blocks.height + (i < blocks.taller ? 1 : 0);
      kBlocks[height - 1](a, a.values + first * value_stride, a.products + first * kPanelWidth,
                          column);
      first += height;
    }
  }
}

void winograd_multiply_wide_avx2(const WinogradProduct& a) {
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
      with_rows<6>(height,
                   [&](auto rows) { block_wide(a, values, out, column, next, next_step, rows); });
      next += a.pieces * a.quads * next_step;
      values += height * a.pieces * chunks * kValueChunk;
      out += height * kPanelWidth;
    }
  }
}

void winograd_output_avx2(const WinogradOutput& tile) { output_any(tile); }

}  // namespace intandem
#endif
