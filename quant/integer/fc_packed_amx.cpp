// Packed fully connected layers with AMX, for batches: the weights of a panel are unpacked to tiles
// in the first-level cache two steps before they are multiplied with all images at once. The layout
// of fc_packed_kernels.hpp is that of tiles already: 64 bytes are a row of two tiles of weights. u
// and codes are both unsigned (tdpbuud).
#include "quant/integer/amx_kernels.hpp"
#include "quant/integer/fc_packed_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr std::int64_t kSlots = 4;        // unpacked steps in the buffer
constexpr std::int64_t kSteps_ahead = 4;  // of packed weights requested from memory
constexpr std::int64_t kSums = kTileRows * kTileChannels;

/// Weights of one step: channels 0 … 15 and 16 … 31.
struct alignas(64) Slot {
  std::uint8_t low[kWeightTileBytes], high[kWeightTileBytes];
};

template <int kBits, int kAt>
[[gnu::always_inline]] inline void store_field(std::uint8_t* out, __m512i bytes) {
  const __m512i mask = _mm512_set1_epi8((1 << kBits) - 1);
  _mm512_store_si512(out, _mm512_and_si512(kAt == 0 ? bytes : _mm512_srli_epi16(bytes, kAt), mask));
}

template <int kBits>
[[gnu::always_inline]] inline void unpack(const std::uint8_t* packed, Slot& slot) {
  constexpr std::int64_t kBytes = kBits * kTileCodes * 4;  // of a step
  for (std::int64_t i = 0; i < kBytes; i += 64) {
    const __m512i bytes = _mm512_load_si512(packed + i);
    _mm_prefetch(packed + i + kSteps_ahead * kBytes, _MM_HINT_T0);
    if constexpr (kBits == 4) {
      store_field<4, 0>(slot.low + i, bytes);
      store_field<4, 4>(slot.high + i, bytes);
    } else {
      store_field<2, 0>(slot.low + 2 * i, bytes);
      store_field<2, 2>(slot.high + 2 * i, bytes);
      store_field<2, 4>(slot.low + 2 * i + 64, bytes);
      store_field<2, 6>(slot.high + 2 * i + 64, bytes);
    }
  }
}

// Even steps are summed in registers 0 and 1, odd ones in 2 and 3: a sum waits for its last
// product.
template <int kBits>
void tile(const PackedTile& t, std::int64_t rows) {
  constexpr std::int64_t kBytes = kBits * kTileCodes * 4;
  const std::int64_t steps = t.stride / kTileCodes, stride = t.stride;
  Slot slots[kSlots];
  amx_configure(rows);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::uint8_t* packed = t.weights;
  const auto fill = [&](std::int64_t step) __attribute__((always_inline)) {
    if (step < steps) unpack<kBits>(packed + step * kBytes, slots[step % kSlots]);
    __asm__ volatile("" : : : "memory");  // GCC's intrinsics do not say that they read memory
  };
  fill(0);
  fill(1);
  for (std::int64_t step = 0; step < steps; step += 2) {
    fill(step + 2);
    const Slot& even = slots[step % kSlots];
    _tile_loadd(4, t.codes + step * kTileCodes, stride);
    _tile_loadd(6, even.low, kTileCodes);
    _tile_dpbuud(0, 4, 6);
    _tile_loadd(7, even.high, kTileCodes);
    _tile_dpbuud(1, 4, 7);
    if (step + 1 == steps) break;
    fill(step + 3);
    const Slot& odd = slots[(step + 1) % kSlots];
    _tile_loadd(5, t.codes + (step + 1) * kTileCodes, stride);
    _tile_loadd(6, odd.low, kTileCodes);
    _tile_dpbuud(2, 5, 6);
    _tile_loadd(7, odd.high, kTileCodes);
    _tile_dpbuud(3, 5, 7);
  }
  alignas(64) std::int32_t sums[4][kSums];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  amx_release();
  const __m128i shift = _mm_cvtsi64_si128(t.shift);
  for (std::int64_t i = 0; i < rows; ++i) {
    const __m512i correction = _mm512_set1_epi32(t.correction[i]);
    for (std::int64_t half = 0; half < 2; ++half) {
      const __m512i sum = _mm512_add_epi32(_mm512_load_si512(sums[half] + i * kTileChannels),
                                           _mm512_load_si512(sums[half + 2] + i * kTileChannels));
      const __m512i bias = _mm512_loadu_si512(t.bias + half * kTileChannels);
      _mm512_store_si512(
          t.acc + i * kTilePanel + half * kTileChannels,
          _mm512_add_epi32(_mm512_sll_epi32(sum, shift), _mm512_sub_epi32(bias, correction)));
    }
  }
}

}  // namespace

void fc_packed4_amx(const PackedTile& t, std::int64_t rows) { tile<4>(t, rows); }
void fc_packed2_amx(const PackedTile& t, std::int64_t rows) { tile<2>(t, rows); }

}  // namespace intandem
#endif
