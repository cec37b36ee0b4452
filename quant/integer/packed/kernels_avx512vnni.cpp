// Packed fully connected layers with AVX-512 VNNI. The unsigned packed weights are the u8 operand
// of vpdpbusd, the activations (at most 127) the s8 one. At batch 1 the weights come from memory
// once: four groups are in flight in eight accumulators, and every line is fetched twice, into the
// second-level cache, which can often wait for more lines than the first, then into that; or once.
#include "quant/integer/packed/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/register_tiles.hpp"
#include "quant/integer/vectors_avx512.hpp"

namespace intandem {
namespace {

/// How far ahead weights are fetched.
struct Ahead {
  [[gnu::always_inline]] explicit Ahead(const PackedTile& t)
      : near_bytes(t.stream_ahead_bytes > 0 ? t.stream_ahead_bytes : 1024),
        far_bytes(t.stream_ahead_bytes > 0 ? 0 : 4096) {}
  std::int64_t near_bytes, far_bytes;
};

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

template <int kChains>
[[gnu::always_inline]] inline __m512i sum_of(const __m512i (&chains)[kChains]) {
  __m512i sum = chains[0];
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_epi32(sum, chains[i]);
  return sum;
}

template <int kBits>
[[gnu::always_inline]] inline void prefetch_block(const std::uint8_t* block, const Ahead& ahead) {
  for (int i = 0; i < kBits; ++i) {
    _mm_prefetch(block + ahead.near_bytes + 64 * i, _MM_HINT_T0);
    if (ahead.far_bytes > 0) _mm_prefetch(block + ahead.far_bytes + 64 * i, _MM_HINT_T1);
  }
}

/// As many rows as indices. The groups of a block go to kChains sums each, because one row alone
/// would wait for its last product.
template <int kBits, int kChains, int... I>
void some_rows(const PackedTile& t, Rows<I...>) {
  constexpr int kRows = sizeof...(I);
  __m512i low[kRows][kChains] = {}, high[kRows][kChains] = {};
  const std::uint8_t* const row[kRows] = {t.codes + I * t.stride...};
  const std::uint8_t* block = t.weights;
  const Ahead ahead(t);
  for (std::int64_t c = 0; c < t.stride; c += kPackedBlock, block += 64 * kBits) {
    prefetch_block<kBits>(block, ahead);
    const auto add = [&]<int kGroupIndex>(Rows<kGroupIndex>) __attribute__((always_inline)) {
      constexpr int kChain = kGroupIndex % kChains;
      const Group group = load_group<kBits, kGroupIndex>(block);
      __m512i codes;
      ((codes = broadcast_group(row[I] + c + 4 * kGroupIndex),
        low[I][kChain] = _mm512_dpbusd_epi32(low[I][kChain], group.low, codes),
        high[I][kChain] = _mm512_dpbusd_epi32(high[I][kChain], group.high, codes)),
       ...);
    };
    add(Rows<0>{});
    add(Rows<1>{});
    add(Rows<2>{});
    add(Rows<3>{});
  }
  (finish(t, I, sum_of(low[I]), sum_of(high[I])), ...);
}

template <int kBits>
void tile(const PackedTile& t, std::int64_t rows) {
  if (rows == 1) return some_rows<kBits, 4>(t, Rows<0>{});
  with_rows<kPackedRows>(rows, [&](auto each) { some_rows<kBits, 1>(t, each); });
}

}  // namespace

void fc_packed4_avx512vnni(const PackedTile& t, std::int64_t rows) { tile<4>(t, rows); }
void fc_packed2_avx512vnni(const PackedTile& t, std::int64_t rows) { tile<2>(t, rows); }

}  // namespace intandem
#endif
