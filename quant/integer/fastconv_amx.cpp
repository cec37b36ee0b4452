// The products of the exact fast convolution on AMX tile registers; the transforms are those of
// AVX-512 VNNI. A block of the values is a tile of 16 rows, the weights of 64 input channels and a
// panel are two tiles, so that two blocks times a panel fill the eight registers (docs/kernels.md).
//
// Blocks of fewer rows are read and written as if they had 16: what is read beyond them lies in the
// same buffer, and what is written beyond them belongs to the next block or position, which comes
// later, or to the buffer's end. A tile of fewer rows would take nearly the same time.
#include "quant/integer/amx_kernels.hpp"
#include "quant/integer/fastconv_kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace intandem {
namespace {

constexpr std::int64_t kLine = 64;

/// One or two neighbouring blocks; their heights are the distances from chunk to chunk.
struct BlockPair {
  const std::uint8_t* values[2];
  std::int64_t height[2];
  std::int32_t* products[2];
  const std::int8_t* next;  ///< to be fetched: so many lines per step
  std::int64_t next_lines;
};

// GCC's intrinsics do not say that they access memory.
[[gnu::always_inline]] inline void order_memory() { __asm__ volatile("" : : : "memory"); }

// Registers as in direct_amx.cpp: 0 to 3: sums of (block, half) = (0, 0), (0, 1), (1, 0), (1, 1); 4
// and 5: values; 6 and 7: weights.
template <bool kTwo, bool kWide>
void multiply_pair(const FastConvProduct& a, const BlockPair& pair) {
  constexpr std::int64_t kWeightRow = (kWide ? 2 : 1) * kLine;
  constexpr std::int64_t kRowBytes = kPanelWidth * sizeof(std::int32_t);
  const std::int64_t chunks = a.quads * 4 / kValueChunk;
  const std::int64_t step0 = pair.height[0] * kValueChunk;
  const std::int64_t step1 = kTwo ? pair.height[1] * kValueChunk : 0;
  const std::uint8_t* first = pair.values[0];
  const std::uint8_t* second = pair.values[kTwo ? 1 : 0];
  const std::int8_t* next = pair.next;
  order_memory();
  _tile_zero(0);
  if (kWide) _tile_zero(1);
  if (kTwo) _tile_zero(2);
  if (kTwo && kWide) _tile_zero(3);
  for (std::int64_t piece = 0; piece < a.pieces; ++piece) {
    const std::int8_t* weights = a.weights[piece];
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      _tile_loadd(6, weights, kWeightRow);
      _tile_loadd(4, first, kValueChunk);
      _tile_dpbusd(0, 4, 6);
      if (kWide) {
        _tile_loadd(7, weights + kLine, kWeightRow);
        _tile_dpbusd(1, 4, 7);
      }
      if (kTwo) {
        _tile_loadd(5, second, kValueChunk);
        _tile_dpbusd(2, 5, 6);
        if (kWide) _tile_dpbusd(3, 5, 7);
      }
      for (std::int64_t line = 0; line < pair.next_lines; ++line, next += kLine) {
        _mm_prefetch(next, _MM_HINT_T1);
      }
      first += step0;
      second += step1;
      weights += kTileRows * kWeightRow;
    }
  }
  _tile_stored(0, pair.products[0], kRowBytes);
  if (kWide) _tile_stored(1, pair.products[0] + kTileChannels, kRowBytes);
  if (kTwo) _tile_stored(2, pair.products[1], kRowBytes);
  if (kTwo && kWide) _tile_stored(3, pair.products[1] + kTileChannels, kRowBytes);
  order_memory();
}

template <bool kWide>
void multiply_blocks(const FastConvProduct& a) {
  const FastConvBlocks& blocks = a.blocks;
  const std::int64_t steps = a.pieces * (a.quads * 4 / kValueChunk);
  const std::int64_t pairs = (blocks.count + 1) / 2;
  constexpr std::int64_t kNextLines = 128 * kValueChunk / 4 / kLine;  // per step
  BlockPair pair{};
  pair.next = a.next;
  pair.next_lines = (kNextLines + pairs - 1) / pairs;
  const std::uint8_t* values = a.values;
  std::int32_t* products = a.products;
  for (std::int64_t block = 0; block < blocks.count; block += 2) {
    const std::int64_t two = block + 1 < blocks.count ? 2 : 1;
    for (std::int64_t i = 0; i < two; ++i) {
      pair.height[i] = blocks.height + (block + i < blocks.taller ? 1 : 0);
      pair.values[i] = values;
      pair.products[i] = products;
      values += pair.height[i] * steps * kValueChunk;
      products += pair.height[i] * kPanelWidth;
    }
    two == 2 ? multiply_pair<true, kWide>(a, pair) : multiply_pair<false, kWide>(a, pair);
    pair.next += steps * pair.next_lines * kLine;
  }
}

}  // namespace

void fastconv_begin_amx() { amx_configure(kTileRows); }
void fastconv_end_amx() { amx_release(); }

void fastconv_multiply_amx(const FastConvProduct& a) {
  if (a.blocks.count == 0) return;
  a.width == kPanelWidth ? multiply_blocks<true>(a) : multiply_blocks<false>(a);
}

}  // namespace intandem
#endif
