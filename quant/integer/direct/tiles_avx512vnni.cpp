// The direct product with AVX-512 VNNI: vpdpbusd multiplies four u8 codes by four s8 weights and
// adds the four products to a 32-bit lane in one step, modulo 2^32 (its sibling vpdpbusds saturates
// and is never used). A tile is up to 12 rows × 32 channels: 24 accumulators, two weight vectors
// and one broadcast group fit the 32 registers, and 12 row pointers the 16 general ones. Per group
// that is 14 loads and 24 products, each on two ports, so the products are the limit.
#include "quant/integer/direct/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx512.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kAhead = 16;     // weight vectors fetched ahead, 1 KiB
constexpr std::int64_t kFarAhead = 64;  // into the second-level cache, from memory

// The fold expressions name every accumulator by a constant, so the compiler keeps each in a
// register; with nested loops over an array GCC 12 spills them.
template <int... I>
void product_32(const ProductTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  const auto* weights = static_cast<const __m512i*>(t.weights);
  __m512i low[kRows], high[kRows];
  ((low[I] = _mm512_loadu_si512(t.bias), high[I] = _mm512_loadu_si512(t.bias + 16)), ...);
  const std::uint8_t* const* rows = t.rows;
  const std::int64_t end = kGroup * t.groups;
  for (std::int64_t tap = 0; tap < t.taps; ++tap, rows += kRows) {
    const std::uint8_t* const row[kRows] = {rows[I]...};
#pragma GCC unroll 2
    for (std::int64_t j = 0; j < end; j += kGroup, weights += 2) {
      const __m512i weights_low = _mm512_load_si512(weights);
      const __m512i weights_high = _mm512_load_si512(weights + 1);
      _mm_prefetch(weights + kAhead, _MM_HINT_T0);
      _mm_prefetch(weights + kAhead + 1, _MM_HINT_T0);
      __m512i codes;
      ((codes = broadcast_group(row[I] + j),
        low[I] = _mm512_dpbusd_epi32(low[I], codes, weights_low),
        high[I] = _mm512_dpbusd_epi32(high[I], codes, weights_high)),
       ...);
    }
  }
  ((_mm512_store_si512(t.acc + 32 * I, low[I]), _mm512_store_si512(t.acc + 32 * I + 16, high[I])),
   ...);
}

template <int... I>
void product_16(const ProductTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  const auto* weights = static_cast<const __m512i*>(t.weights);
  __m512i acc[kRows];
  ((acc[I] = _mm512_loadu_si512(t.bias)), ...);
  const std::uint8_t* const* rows = t.rows;
  const std::int64_t end = kGroup * t.groups;
  for (std::int64_t tap = 0; tap < t.taps; ++tap, rows += kRows) {
    const std::uint8_t* const row[kRows] = {rows[I]...};
    for (std::int64_t j = 0; j < end; j += kGroup, ++weights) {
      const __m512i weight = _mm512_load_si512(weights);
      ((acc[I] = _mm512_dpbusd_epi32(acc[I], broadcast_group(row[I] + j), weight)), ...);
    }
  }
  (_mm512_store_si512(t.acc + 16 * I, acc[I]), ...);
}

// One row, the shape of a fully connected layer at batch 1: the weights stream from memory once, so
// four groups are in flight to hide the latency of vpdpbusd, and lines are fetched ahead.
void product_1x32(const ProductTile& t) {
  const auto* weights = static_cast<const __m512i*>(t.weights);
  __m512i low0 = _mm512_loadu_si512(t.bias), high0 = _mm512_loadu_si512(t.bias + 16);
  __m512i low1 = _mm512_setzero_si512(), high1 = low1;
  __m512i low2 = low1, high2 = low1, low3 = low1, high3 = low1;
  const bool once = t.stream_ahead_bytes > 0;
  const std::int64_t near = once ? t.stream_ahead_bytes / 64 : kAhead;
  for (std::int64_t tap = 0; tap < t.taps; ++tap) {
    const std::uint8_t* row = t.rows[tap];
    std::int64_t group = 0;
    for (; group + 4 <= t.groups; group += 4, row += 4 * kGroup, weights += 8) {
      for (int i = 0; i < 8; ++i) {
        _mm_prefetch(weights + near + i, _MM_HINT_T0);
        if (!once) _mm_prefetch(weights + kFarAhead + i, _MM_HINT_T1);
      }
      const __m512i codes0 = broadcast_group(row), codes1 = broadcast_group(row + 4);
      const __m512i codes2 = broadcast_group(row + 8), codes3 = broadcast_group(row + 12);
      low0 = _mm512_dpbusd_epi32(low0, codes0, _mm512_load_si512(weights));
      high0 = _mm512_dpbusd_epi32(high0, codes0, _mm512_load_si512(weights + 1));
      low1 = _mm512_dpbusd_epi32(low1, codes1, _mm512_load_si512(weights + 2));
      high1 = _mm512_dpbusd_epi32(high1, codes1, _mm512_load_si512(weights + 3));
      low2 = _mm512_dpbusd_epi32(low2, codes2, _mm512_load_si512(weights + 4));
      high2 = _mm512_dpbusd_epi32(high2, codes2, _mm512_load_si512(weights + 5));
      low3 = _mm512_dpbusd_epi32(low3, codes3, _mm512_load_si512(weights + 6));
      high3 = _mm512_dpbusd_epi32(high3, codes3, _mm512_load_si512(weights + 7));
    }
    for (; group < t.groups; ++group, row += kGroup, weights += 2) {
      const __m512i codes = broadcast_group(row);
      low0 = _mm512_dpbusd_epi32(low0, codes, _mm512_load_si512(weights));
      high0 = _mm512_dpbusd_epi32(high0, codes, _mm512_load_si512(weights + 1));
    }
  }
  low0 = _mm512_add_epi32(_mm512_add_epi32(low0, low1), _mm512_add_epi32(low2, low3));
  high0 = _mm512_add_epi32(_mm512_add_epi32(high0, high1), _mm512_add_epi32(high2, high3));
  _mm512_store_si512(t.acc, low0);
  _mm512_store_si512(t.acc + 16, high0);
}

}  // namespace

void direct_tile_avx512vnni(const ProductTile& t, std::int64_t rows, std::int64_t width) {
  if (rows == 1 && width == 32) return product_1x32(t);
  with_rows<12>(rows, [&](auto each) { width == 32 ? product_32(t, each) : product_16(t, each); });
}

}  // namespace intandem
#endif
