// Packed fully connected layers with AVX-512 VNNI. The unsigned packed weights are the u8 operand
// of vpdpbusd, the activations (at most 127) the s8 one. At batch 1 the weights come from memory
// once: four groups are in flight in eight accumulators, and every line is fetched twice, into the
// second-level cache, which can often wait for more lines than the first, then into that; or once.
#include "quant/integer/packed/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/register_tiles.hpp"

namespace intandem {
namespace {

/// How far ahead weights are fetched.
struct Ahead {
  [[gnu::always_inline]] explicit Ahead(const PackedTile& t)
      : near_bytes(t.stream_ahead_bytes > 0 ? t.stream_ahead_bytes : 1024),
        far_bytes(t.stream_ahead_bytes > 0 ? 0 : 4096) {}
  std::int64_t near_bytes, far_bytes;
};

[[gnu::always_inline]] inline __m512i broadcast_group(const std::uint8_t* codes) {
  int group;
  __builtin_memcpy(&group, codes, sizeof group);
  return _mm512_set1_epi32(group);
}

/// The weights of one group: channels 0 … 15 and 16 … 31.
struct Group {
  __m512i low, high;
};

// kBits at bit position kAt of every byte.
template <int kBits, int kAt>
[[gnu::always_inline]] inline __m512i field(__m512i bytes) {
  const __m512i mask = _mm512_set1_epi8((1 << kBits) - 1);
  return _mm512_and_si512(kAt == 0 ? bytes : _mm512_srli_epi16(bytes, kAt), mask);
}

// Group g (0 … 3) of a block of four.
template <int kBits, int g>
[[gnu::always_inline]] inline Group load_group(const std::uint8_t* block) {
  if constexpr (kBits == 4) {
    const __m512i bytes = _mm512_load_si512(block + 64 * g);
    return {field<4, 0>(bytes), field<4, 4>(bytes)};
  } else {
    const __m512i bytes = _mm512_load_si512(block + 64 * (g / 2));
    return {field<2, g % 2 * 4>(bytes), field<2, g % 2 * 4 + 2>(bytes)};
  }
}

[[gnu::always_inline]] inline void finish(const PackedTile& t, int row, __m512i low, __m512i high) {
  const __m512i correction = _mm512_set1_epi32(t.correction[row]);
  const __m512i bias_low = _mm512_sub_epi32(_mm512_loadu_si512(t.bias), correction);
  const __m512i bias_high = _mm512_sub_epi32(_mm512_loadu_si512(t.bias + 16), correction);
  const __m128i shift = _mm_cvtsi64_si128(t.shift);
  _mm512_store_si512(t.acc + 32 * row, _mm512_add_epi32(_mm512_sll_epi32(low, shift), bias_low));
  _mm512_store_si512(t.acc + 32 * row + 16,
                     _mm512_add_epi32(_mm512_sll_epi32(high, shift), bias_high));
}

template <int kBits>
[[gnu::always_inline]] inline void prefetch_block(const std::uint8_t* block, const Ahead& ahead) {
  for (int i = 0; i < kBits; ++i) {
    _mm_prefetch(block + ahead.near_bytes + 64 * i, _MM_HINT_T0);
    if (ahead.far_bytes > 0) _mm_prefetch(block + ahead.far_bytes + 64 * i, _MM_HINT_T1);
  }
}

template <int kBits>
void one_row(const PackedTile& t) {
  __m512i low0 = _mm512_setzero_si512(), high0 = low0, low1 = low0, high1 = low0;
  __m512i low2 = low0, high2 = low0, low3 = low0, high3 = low0;
  const std::uint8_t* block = t.weights;
  const Ahead ahead(t);
  for (std::int64_t c = 0; c < t.stride; c += kPackedBlock, block += 64 * kBits) {
    prefetch_block<kBits>(block, ahead);
    const Group group0 = load_group<kBits, 0>(block), group1 = load_group<kBits, 1>(block);
    const Group group2 = load_group<kBits, 2>(block), group3 = load_group<kBits, 3>(block);
    const __m512i codes0 = broadcast_group(t.codes + c), codes1 = broadcast_group(t.codes + c + 4);
    const __m512i codes2 = broadcast_group(t.codes + c + 8);
    const __m512i codes3 = broadcast_group(t.codes + c + 12);
    low0 = _mm512_dpbusd_epi32(low0, group0.low, codes0);
    high0 = _mm512_dpbusd_epi32(high0, group0.high, codes0);
    low1 = _mm512_dpbusd_epi32(low1, group1.low, codes1);
    high1 = _mm512_dpbusd_epi32(high1, group1.high, codes1);
    low2 = _mm512_dpbusd_epi32(low2, group2.low, codes2);
    high2 = _mm512_dpbusd_epi32(high2, group2.high, codes2);
    low3 = _mm512_dpbusd_epi32(low3, group3.low, codes3);
    high3 = _mm512_dpbusd_epi32(high3, group3.high, codes3);
  }
  finish(t, 0, _mm512_add_epi32(_mm512_add_epi32(low0, low1), _mm512_add_epi32(low2, low3)),
         _mm512_add_epi32(_mm512_add_epi32(high0, high1), _mm512_add_epi32(high2, high3)));
}

template <int kBits, int... I>
void many_rows(const PackedTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  __m512i low[kRows], high[kRows];
  ((low[I] = high[I] = _mm512_setzero_si512()), ...);
  const std::uint8_t* const row[kRows] = {t.codes + I * t.stride...};
  const std::uint8_t* block = t.weights;
  const Ahead ahead(t);
  for (std::int64_t c = 0; c < t.stride; c += kPackedBlock, block += 64 * kBits) {
    prefetch_block<kBits>(block, ahead);
    const auto add = [&](const Group& group, std::int64_t at) __attribute__((always_inline)) {
      __m512i codes;
      ((codes = broadcast_group(row[I] + at),
        low[I] = _mm512_dpbusd_epi32(low[I], group.low, codes),
        high[I] = _mm512_dpbusd_epi32(high[I], group.high, codes)),
       ...);
    };
    add(load_group<kBits, 0>(block), c);
    add(load_group<kBits, 1>(block), c + 4);
    add(load_group<kBits, 2>(block), c + 8);
    add(load_group<kBits, 3>(block), c + 12);
  }
  (finish(t, I, low[I], high[I]), ...);
}

template <int kBits>
void tile(const PackedTile& t, std::int64_t rows) {
  if (rows == 1) return one_row<kBits>(t);
  with_rows<kPackedRows>(rows, [&](auto each) { many_rows<kBits>(t, each); });
}

}  // namespace

void fc_packed4_avx512vnni(const PackedTile& t, std::int64_t rows) { tile<4>(t, rows); }
void fc_packed2_avx512vnni(const PackedTile& t, std::int64_t rows) { tile<2>(t, rows); }

}  // namespace intandem
#endif
