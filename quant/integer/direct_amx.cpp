// The direct product with AMX. Two tiles of pixels times two blocks of channels are four sums; with
// two tiles of codes and two of weights that makes the eight tile registers. A step is four loads,
// 16 lines each on two ports, and four products of 16 cycles: the products are the limit even where
// the weights come from the second-level cache.
//
// Weights pass once per two tiles. tileloaddt1 keeps them from pushing the codes, which all panels
// read, out of the first-level cache: 11 to 19 % less time on AlexNet's 3×3 and 5×5 layers.
//
// A product of tiles of 8 rows still takes five sixths of its time (measured): tiles should be
// full.
#include "quant/integer/amx_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

/// The operand of ldtilecfg.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Steps from one tile store to the next. After about 2,000 cycles without one the next takes about
/// 900 longer (measured: 33 steps of four products and then four stores take 40 % more time than
/// their products, 30 steps 3 %; with a store in between both take 3 % more), as if what stores
/// tiles were asleep.
constexpr std::int64_t kStoreSteps = 16;

// GCC's intrinsics do not say that they read memory.
[[gnu::always_inline]] inline void finish_stores() { __asm__ volatile("" : : : "memory"); }

// Registers 0 to 3: sums of (tile, block) = (0, 0), (0, 1), (1, 0), (1, 1); 4 and 5: codes; 6 and
// 7: weights.
template <bool kTwoTiles, bool kTwoBlocks>
[[gnu::always_inline]] inline void product(const AmxProduct& p) {
  constexpr std::int64_t kRowBytes = kTilePanel * sizeof(std::int32_t);
  constexpr std::int64_t kStep = (kTwoBlocks ? 2 : 1) * kWeightTileBytes;
  const std::int64_t stride = p.stride, steps = p.steps;
  const std::uint8_t* const first = p.codes[0];
  const std::uint8_t* const second = p.codes[kTwoTiles ? 1 : 0];
  const std::int8_t* weights = p.weights;
  std::int32_t* const acc = p.acc;
  finish_stores();
  // Distance 0: every row is the bias.
  _tile_loadd(0, p.bias, 0);
  if (kTwoBlocks) _tile_loadd(1, p.bias + kTileChannels, 0);
  if (kTwoTiles) _tile_loadd(2, p.bias, 0);
  if (kTwoTiles && kTwoBlocks) _tile_loadd(3, p.bias + kTileChannels, 0);
  for (std::int64_t s = 0; s < steps; ++s, weights += kStep) {
    const std::int64_t offset = p.offsets[s];
    _tile_stream_loadd(6, weights, kTileCodes);
    _tile_loadd(4, first + offset, stride);
    _tile_dpbusd(0, 4, 6);
    if (kTwoBlocks) {
      _tile_stream_loadd(7, weights + kWeightTileBytes, kTileCodes);
      _tile_dpbusd(1, 4, 7);
    }
    if (kTwoTiles) {
      _tile_loadd(5, second + offset, stride);
      _tile_dpbusd(2, 5, 6);
      if (kTwoBlocks) _tile_dpbusd(3, 5, 7);
    }
    // What it writes is overwritten below.
    if (s % kStoreSteps == kStoreSteps - 1) _tile_stored(6, acc, kRowBytes);
  }
  _tile_stored(0, acc, kRowBytes);
  if (kTwoBlocks) _tile_stored(1, acc + kTileChannels, kRowBytes);
  if (kTwoTiles) _tile_stored(2, acc + kTileRows * kTilePanel, kRowBytes);
  if (kTwoTiles && kTwoBlocks) {
    _tile_stored(3, acc + kTileRows * kTilePanel + kTileChannels, kRowBytes);
  }
}

}  // namespace

void amx_configure(std::int64_t rows) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileCodes;
    config.rows[i] = static_cast<std::uint8_t>(i < 6 ? rows : kTileRows);
  }
  finish_stores();
  _tile_loadconfig(&config);
}

void amx_release() { _tile_release(); }

void amx_product(const AmxProduct& p, std::int64_t tiles, std::int64_t blocks) {
  if (blocks == 2) {
    tiles == 2 ? product<true, true>(p) : product<false, true>(p);
  } else {
    tiles == 2 ? product<true, false>(p) : product<false, false>(p);
  }
}

void amx_gather(const AmxGather& g) {
  constexpr std::int64_t kBytes = 64;
  const std::int64_t whole = g.row_codes / kBytes * kBytes;
  const __mmask64 rest = (std::uint64_t{1} << (g.row_codes % kBytes)) - 1;
  for (std::int64_t i = 0; i < g.pixels; ++i) {
    const std::uint8_t* source = g.sources[i];
    std::uint8_t* codes = g.codes + i * g.pitch;
    for (std::int64_t r = 0; r < g.rows; ++r, source += g.row_step, codes += g.row_codes) {
      for (std::int64_t c = 0; c < whole; c += kBytes) {
        _mm512_storeu_si512(codes + c, _mm512_loadu_si512(source + c));
      }
      if (rest != 0)
        _mm512_storeu_si512(codes + whole, _mm512_maskz_loadu_epi8(rest, source + whole));
    }
  }
}

}  // namespace intandem
#endif
