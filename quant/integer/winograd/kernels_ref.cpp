// The exact fast convolution in plain loops, straight from the matrices of winograd/math.hpp.
#include <cstring>

#include "quant/integer/requant.hpp"
#include "quant/integer/winograd/kernels.hpp"
#include "quant/integer/winograd/tile.hpp"

namespace intandem {
namespace {

/// Value: u8 or s16.
template <class Value>
void input(const WinogradInput& tile) {
  const TileCorrelation& f = tile_correlation(tile.outputs_v, tile.outputs_h, tile.strided);
  const int height = f.inputs_v, width = f.inputs_h;
  constexpr std::int64_t kBytes = sizeof(Value);
  for (std::int64_t c = 0; c < tile.channels; ++c) {
    for (int i = 0; i < f.products; ++i) {
      const int position = f.position[i];
      std::int32_t sum = kBytes == 1 ? value_shift(position) : 0;
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          sum += f.input[i][y][x] * tile.pixel[y * width + x][tile.first + c];
        }
      }
      const auto value = static_cast<Value>(sum);
      const std::int64_t at = tile.offset != nullptr ? tile.offset[position] : i * tile.step;
      std::memcpy(tile.values + at + c * kBytes, &value, sizeof value);
    }
  }
}

/// Weight: s8 or s16.
template <class Weight>
Weight weight_at(const std::int8_t* bytes) {
  Weight weight;
  std::memcpy(&weight, bytes, sizeof weight);
  return weight;
}

template <class Value, class Weight>
void multiply(const WinogradProduct& a) {
  constexpr std::int64_t kBytes = sizeof(Value), kGroup = 4 / kBytes;
  const std::int64_t chunks = (4 * a.quads + kValueChunk - 1) / kValueChunk;
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < a.blocks.count; ++i) {
    const std::int64_t height = a.blocks.height + (i < a.blocks.taller ? 1 : 0);
    const std::uint8_t* values = a.values + first * a.pieces * chunks * kValueChunk;
    const std::int64_t chunk_step = height * kValueChunk;
    for (std::int64_t r = 0; r < height; ++r) {
      for (std::int64_t k = 0; k < a.width; ++k) {
        std::uint32_t sum = 0;  // only meant modulo 2³²
        for (std::int64_t piece = 0; piece < a.pieces; ++piece) {
          const std::uint8_t* row = values + piece * chunks * chunk_step + r * kValueChunk;
          for (std::int64_t c = 0; c < kGroup * a.quads; ++c) {
            const std::int64_t at = c * kBytes;
            Value value;
            std::memcpy(&value, row + at / kValueChunk * chunk_step + at % kValueChunk,
                        sizeof value);
            const auto weight =
                weight_at<Weight>(a.weights[piece] + (c / kGroup * a.width + k) * 4 + at % 4);
            sum += static_cast<std::uint32_t>(value * weight);
          }
        }
        a.products[(first + r) * kPanelWidth + k] = static_cast<std::int32_t>(sum);
      }
    }
    first += height;
  }
}

}  // namespace

void winograd_input_ref(const WinogradInput& tile) { input<std::uint8_t>(tile); }
void winograd_input_wide_ref(const WinogradInput& tile) { input<std::int16_t>(tile); }
void winograd_multiply_ref(const WinogradProduct& a) { multiply<std::uint8_t, std::int8_t>(a); }
void winograd_multiply_wide_ref(const WinogradProduct& a) {
  multiply<std::int16_t, std::int16_t>(a);
}

void winograd_output_ref(const WinogradOutput& tile) {
  const WinogradEpilogue& e = *tile.epilogue;
  const TileCorrelation& f = tile_correlation(tile.outputs_v, tile.outputs_h, tile.strided);
  for (std::int64_t q = 0; q < tile.channels; ++q) {
    const std::int64_t k = tile.first + q;
    for (int y = 0; y < tile.rows; ++y) {
      for (int x = 0; x < tile.columns; ++x) {
        auto sum = static_cast<std::uint32_t>(
            tile.bias[k / kBiasLanes * kBiasBlock + (4 * y + x) * kBiasLanes + k % kBiasLanes]);
        for (int i = 0; i < f.products; ++i) {
          const std::int64_t at =
              tile.offset_bytes != nullptr ? tile.offset_bytes[f.position[i]] : i * tile.step_bytes;
          const auto product = static_cast<std::uint32_t>(tile.products[at / 4 + q]);
          sum += static_cast<std::uint32_t>(f.output[i][y][x]) * product;
        }
        // A multiple of 2^shift below 2³¹, so the division is exact.
        const std::int32_t acc = static_cast<std::int32_t>(sum) >> f.shift;
        const std::int64_t at = y * tile.row_stride + x * tile.column_stride + k;
        if (e.mode == WinogradEpilogue::raw) {
          tile.accumulators[at] = acc;
        } else if (e.add_m != nullptr) {
          tile.codes[at] = requantize_add(acc, {e.m[k], e.n[k]}, tile.shortcut[at], e.add_m[k],
                                          e.max_code, e.add_zero, e.zero_point);
        } else {
          tile.codes[at] = requantize(acc, {e.m[k], e.n[k]}, e.max_code, e.zero_point);
        }
      }
    }
  }
}

}  // namespace intandem
