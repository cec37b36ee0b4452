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
#include "quant/integer/amx/kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include "quant/integer/vectors_avx512.hpp"

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
constexpr std::int64_t kLine = 64;
constexpr std::int64_t kRowBytes = kTilePanel * sizeof(std::int32_t);

// GCC's intrinsics do not say that they access memory.
[[gnu::always_inline]] inline void order_memory() { __asm__ volatile("" : : : "memory"); }

// Loads come before the last products of what they replace are done: codes 1 and weights 1 a step
// ahead. Against loads each just before its products that is 1.05 to 1.07 times as fast at 36 steps
// (operands of the second-level cache), 1.01 at 18 and 0.99 at 9.
template <bool kTwoBlocks>
[[gnu::always_inline]] inline void load_weights(const std::int8_t* weights) {
  if (kTwoBlocks) _tile_stream_loadd(7, weights + kWeightTileBytes, kTileCodes);
}
template <bool kTwoTiles>
[[gnu::always_inline]] inline void load_codes(const AmxProduct& p, std::int64_t step) {
  if (kTwoTiles) _tile_loadd(5, p.codes[1] + p.offsets[step], p.stride);
}

// The first step of a product takes the registers from the one before: a sum is stored just before
// it is needed again, while the products of the other three are still on their way. Stored all at
// once at the end, and the bias loaded all at once, they cost 90 cycles per product (measured).
template <bool kTwoTiles, bool kTwoBlocks, bool kFirst>
[[gnu::always_inline]] inline void step(const AmxProduct& p, std::int64_t s, bool is_last,
                                        std::int32_t* previous) {
  constexpr std::int64_t kStep = (kTwoBlocks ? 2 : 1) * kWeightTileBytes;
  const std::int8_t* const weights = p.weights + s * kStep;
  _tile_loadd(4, p.codes[0] + p.offsets[s], p.stride);
  _tile_stream_loadd(6, weights, kTileCodes);
  // Distance 0: every row is the bias.
  if (kFirst) _tile_stored(3, previous + kTileRows * kTilePanel + kTileChannels, kRowBytes);
  if (kTwoTiles && kTwoBlocks) {
    if (kFirst) _tile_loadd(3, p.bias + kTileChannels, 0);
    _tile_dpbusd(3, 5, 7);
  }
  if (kFirst) _tile_stored(1, previous + kTileChannels, kRowBytes);
  if (kTwoBlocks) {
    if (kFirst) _tile_loadd(1, p.bias + kTileChannels, 0);
    _tile_dpbusd(1, 4, 7);
  }
  if (!is_last) load_weights<kTwoBlocks>(weights + kStep);
  if (kFirst) _tile_stored(0, previous, kRowBytes);
  if (kFirst) _tile_loadd(0, p.bias, 0);
  _tile_dpbusd(0, 4, 6);
  if (kFirst) _tile_stored(2, previous + kTileRows * kTilePanel, kRowBytes);
  if (kTwoTiles) {
    if (kFirst) _tile_loadd(2, p.bias, 0);
    _tile_dpbusd(2, 5, 6);
  }
  if (!is_last) load_codes<kTwoTiles>(p, s + 1);
}

/// Requantizes rows two by two, so that one narrowing serves 64 codes.
struct Finisher {
  QuickRequant low, high;
  __m512i max_code;
  const AmxRows* rows;
  const std::int32_t* sums;
  std::uint8_t* codes;
  std::int64_t row = 0;

  [[gnu::always_inline]] void run(std::int64_t end) {
    for (; row < end; row += 2) {
      const std::int32_t* a = sums + rows->sums[row];
      const std::int32_t* b = sums + rows->sums[row + 1];
      const __m512i bytes =
          _mm512_min_epu8(pack_rows(quick_step(_mm512_load_si512(a), low),
                                    quick_step(_mm512_load_si512(a + kTileChannels), high),
                                    quick_step(_mm512_load_si512(b), low),
                                    quick_step(_mm512_load_si512(b + kTileChannels), high)),
                          max_code);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + rows->codes[row]),
                          _mm512_castsi512_si256(bytes));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + rows->codes[row + 1]),
                          _mm512_extracti64x4_epi64(bytes, 1));
    }
  }
};

template <bool kTwoTiles, bool kTwoBlocks, bool kFinish>
[[gnu::always_inline]] inline void product(const AmxProduct& p, std::int32_t* previous,
                                           const AmxFinish* finish) {
  alignas(64) std::int32_t unused[kTileRows * kTileChannels];
  order_memory();
  load_weights<kTwoBlocks>(p.weights);
  load_codes<kTwoTiles>(p, 0);
  step<kTwoTiles, kTwoBlocks, true>(p, 0, p.steps == 1, previous);
  order_memory();
  Finisher finisher{};
  std::int64_t count = 0, share = 0;
  if constexpr (kFinish) {
    const RequantTables& t = finish->tables;
    count = finish->rows->count;
    // Two rows at a time, all of them after as many steps as there are.
    share = p.steps > 1 ? (count + 2 * p.steps - 3) / (2 * p.steps - 2) * 2 : 0;
    finisher = {quick_requant(t.m, t.n),
                quick_requant(t.m + kTileChannels, t.n + kTileChannels),
                _mm512_set1_epi8(static_cast<char>(t.max_code)),
                finish->rows,
                previous,
                finish->codes};
  }
  const std::uint8_t* fetch = p.fetch;
  for (std::int64_t s = 1; s < p.steps - 1; ++s) {
    for (std::int64_t line = 0; line < p.fetch_lines; ++line, fetch += kLine) {
      _mm_prefetch(fetch, _MM_HINT_T1);
    }
    step<kTwoTiles, kTwoBlocks, false>(p, s, false, previous);
    if (kFinish) finisher.run(finisher.row + share < count ? finisher.row + share : count);
    if (s % kStoreSteps == kStoreSteps - 1) _tile_stored(6, unused, kTileCodes);
  }
  if (p.steps > 1) step<kTwoTiles, kTwoBlocks, false>(p, p.steps - 1, true, previous);
  if (kFinish) finisher.run(count);
}

}  // namespace

void amx_configure(std::int64_t rows) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileCodes;
    config.rows[i] = static_cast<std::uint8_t>(i < 6 ? rows : kTileRows);
  }
  order_memory();
  _tile_loadconfig(&config);
}

void amx_release() { _tile_release(); }

void amx_product(const AmxProduct& p, std::int64_t tiles, std::int64_t blocks,
                 std::int32_t* previous, const AmxFinish* finish) {
  if (finish != nullptr) {
    if (blocks == 2) {
      return tiles == 2 ? product<true, true, true>(p, previous, finish)
                        : product<false, true, true>(p, previous, finish);
    }
    return tiles == 2 ? product<true, false, true>(p, previous, finish)
                      : product<false, false, true>(p, previous, finish);
  }
  if (blocks == 2) {
    return tiles == 2 ? product<true, true, false>(p, previous, finish)
                      : product<false, true, false>(p, previous, finish);
  }
  return tiles == 2 ? product<true, false, false>(p, previous, finish)
                    : product<false, false, false>(p, previous, finish);
}

void amx_store(std::int32_t* sums) {
  _tile_stored(0, sums, kRowBytes);
  _tile_stored(1, sums + kTileChannels, kRowBytes);
  _tile_stored(2, sums + kTileRows * kTilePanel, kRowBytes);
  _tile_stored(3, sums + kTileRows * kTilePanel + kTileChannels, kRowBytes);
  order_memory();
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
