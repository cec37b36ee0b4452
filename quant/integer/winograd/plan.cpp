#include "quant/integer/winograd/plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/divide.hpp"

namespace intandem {
namespace {

bool refuse(std::string& why, const std::string& reason) {
  why = reason;
  return false;
}

/// Σ over a pair of neighbouring channels of the weights of one sign, times the largest value.
bool pairs_fit(const std::int32_t* u, std::int64_t C, std::int64_t largest_value) {
  for (std::int64_t c = 0; c < C; c += 2) {
    const std::int32_t a = u[c], b = c + 1 < C ? u[c + 1] : 0;
    if (largest_value * (std::max(a, 0) + std::max(b, 0)) > 32767) return false;
    if (largest_value * (std::min(a, 0) + std::min(b, 0)) < -32768) return false;
  }
  return true;
}

/// Fills what follows from the tile and the pieces: positions and where their weights are stored.
void choose_positions(WinogradPlan& plan) {
  const TileCorrelation full = plan.correlation(0);
  for (int i = 0; i < full.products(); ++i) plan.positions.push_back(full.position(i));
  for (const int position : plan.positions) {
    for (int q = 0; q < static_cast<int>(plan.pieces.size()); ++q) {
      if (!plan.pieces[static_cast<std::size_t>(q)].has(position)) continue;
      if (plan.piece_count[position]++ == 0) plan.first_piece[position] = q;
    }
    const int row = position / kPositions1d, column = position % kPositions1d;
    if (plan.strided && (row > kOddTap || column > kOddTap)) {
      plan.plane[position] =
          plan.plane[std::min(row, kOddTap) * kPositions1d + std::min(column, kOddTap)];
      continue;
    }
    plan.plane[position] = plan.planes;
    plan.planes += plan.piece_count[position];
  }
}

/// The 3×3 taps of a piece for output channel k and input channel c, zeros where it has none.
void copy_taps(const IntLayer& layer, const WinogradPiece& piece, std::int64_t k, std::int64_t c,
               std::int8_t* taps) {
  const ConvShape& s = layer.shape;
  std::fill(taps, taps + 9, std::int8_t{0});
  for (int y = 0; y < piece.rows; ++y) {
    for (int x = 0; x < piece.columns; ++x) {
      taps[y * 3 + x] = layer.weights[((k * s.R + piece.y + y) * s.S + piece.x + x) * s.C + c];
    }
  }
}

/// Channel k of plan.output_bias, modulo 2³²: 2^shift·bias, and taken off again what the products
/// have too much because values were shifted, value_shift·ΣU at each position.
void fill_output_bias(WinogradPlan& plan, std::int64_t k, std::int32_t bias,
                      const std::int64_t* weight_sum, bool shifted) {
  std::int64_t added[kPositions2d] = {};
  for (const int position : plan.positions) {
    if (shifted) added[position] = -value_shift(position) * weight_sum[position];
  }
  for (int size = 0; size < kTileSizes; ++size) {
    const TileCorrelation tile = plan.correlation(size);
    std::int32_t* entry = plan.output_bias.data() + size * plan.output_bias.dim(1) +
                          k / kBiasLanes * kBiasBlock + k % kBiasLanes;
    for (int y = 0; y < tile.v.outputs; ++y) {
      for (int x = 0; x < tile.h.outputs; ++x) {
        std::int64_t sum = std::int64_t{bias} << tile.shift();
        for (int i = 0; i < tile.products(); ++i) {
          sum += tile.output(i, y, x) * added[tile.position(i)];
        }
        entry[(kTileOutputs * y + x) * kBiasLanes] = static_cast<std::int32_t>(sum);
      }
    }
  }
}

/// Q7: the largest |accumulator| of channel k (padding codes are at most in_max here).
std::int64_t channel_bound(const IntLayer& layer, std::int64_t k) {
  const std::int64_t taps = layer.shape.reduction();
  std::int64_t magnitude = 0;
  for (std::int64_t i = 0; i < taps; ++i) {
    magnitude += std::abs(std::int32_t{layer.weights[k * taps + i]});
  }
  return magnitude * layer.in_max + std::abs(std::int64_t{layer.bias[k]});
}

/// A convolution of a kernel and a stride that the plan's tile is for, with padding that obeys F3.
bool has_fast_shape(const IntLayer& layer, const WinogradPlan& plan, std::string& why) {
  const ConvShape& shape = layer.shape;
  const std::int64_t stride = plan.strided ? 2 : 1;
  if (layer.kind != IntLayerKind::conv || shape.groups > 1 || plan.pieces.empty() ||
      shape.R != shape.S || shape.stride != stride || (plan.strided && shape.R != 3)) {
    return refuse(why, plan.strided ? "not a 3x3 convolution of stride 2"
                                    : "not a 3x3 or 5x5 convolution of stride 1");
  }
  for (std::int64_t c = 0; shape.pad > 0 && c < shape.C; ++c) {
    if (layer.pad_code[c] > layer.in_max) return refuse(why, "padding code above in_max");
  }
  return true;
}

/// F3: shifted values of 8 bits. Fills the largest at every position.
bool values_fit(const IntLayer& layer, WinogradOperands operands, const WinogradPlan& plan,
                std::int64_t* largest_value, std::string& why) {
  const bool wide = operands == WinogradOperands::s16;
  for (const int position : plan.positions) {
    const ValueRange range = value_range(plan.tile, position, layer.in_max);
    const int shift = wide ? 0 : value_shift(position);
    if (!wide && (range.low + shift < 0 || range.high + shift > 255)) {
      return refuse(why, "codes up to " + std::to_string(layer.in_max) +
                             " give transformed values of more than 8 bits");
    }
    largest_value[position] = range.high + shift;
  }
  return true;
}

/// U of output channel k into plan.weights and what follows from it into plan.output_bias; false if
/// a weight or a pair of products leaves its bits.
bool transform_channel(const IntLayer& layer, std::int64_t k, WinogradOperands operands,
                       const std::int64_t* largest_value, WinogradPlan& plan, std::string& why) {
  const std::int64_t C = layer.shape.C, bytes = operand_bytes(operands), in_group = 4 / bytes;
  const std::int64_t panel = k / plan.panel_width * plan.panel_width, lane = k - panel;
  const std::int64_t width = plan.width_at(panel);
  std::vector<std::int32_t> u(static_cast<std::size_t>(kPositions2d * C));  // [position][C]
  std::int64_t sum[kPositions2d] = {};
  for (int q = 0; q < static_cast<int>(plan.pieces.size()); ++q) {
    const WinogradPiece& piece = plan.pieces[static_cast<std::size_t>(q)];
    for (std::int64_t c = 0; c < C; ++c) {
      std::int8_t taps[9];
      std::int32_t of_channel[kPositions2d];
      copy_taps(layer, piece, k, c, taps);
      transform_taps(taps, plan.strided, of_channel);
      for (int p = 0; p < kPositions2d; ++p) {
        u[static_cast<std::size_t>(p * C + c)] = of_channel[p];
      }
    }
    for (const int position : plan.positions) {
      const std::int32_t* row = u.data() + position * C;
      for (std::int64_t c = 0; c < C; ++c) {
        plan.largest_weight = std::max<std::int64_t>(plan.largest_weight, std::abs(row[c]));
        if (operands != WinogradOperands::s16 && (row[c] < -128 || row[c] > 127)) {
          return refuse(why, "transformed weight " + std::to_string(row[c]) + " is beyond 8 bits");
        }
        sum[position] += row[c];
      }
      if (operands == WinogradOperands::u8_s8_pairs &&
          !pairs_fit(row, C, largest_value[position])) {
        return refuse(why, "two products may leave 16 bits");
      }
      if (!piece.has(position)) continue;
      const std::int64_t plane = plan.plane[position] + q - plan.first_piece[position];
      std::int8_t* to =
          plan.weights.data() + plan.weights_at(panel) + plane * plan.plane_stride(width);
      for (std::int64_t c = 0; c < C; ++c) {
        // The low byte first, so that the 16-bit operands of this machine come out.
        std::memcpy(to + (c / in_group * width + lane) * 4 + c % in_group * bytes, row + c,
                    static_cast<std::size_t>(bytes));
      }
    }
  }
  fill_output_bias(plan, k, layer.bias[k], sum, operands != WinogradOperands::s16);
  return true;
}

}  // namespace

WinogradAxis cut_axis(std::int64_t outputs, int tile) {
  WinogradAxis axis;
  axis.tiles = (outputs + tile - 1) / tile;
  axis.main = tile;
  const std::int64_t remainder = outputs % tile;
  axis.rest = tile > 2 && (remainder == 1 || remainder == 2) ? static_cast<int>(remainder) : tile;
  return axis;
}

ValueRange value_range(int tile, int position, std::int64_t in_max) {
  ValueRange range;
  for (const int v : {tile, 2, 1}) {
    for (const int h : {tile, 2, 1}) {
      if (tile == 2 && (v != 2 || h != 2)) continue;
      const TileCorrelation part = tile_correlation(v, h, tile == 3);
      for (int i = 0; i < part.products(); ++i) {
        if (part.position(i) != position) continue;
        std::int64_t positive = 0, negative = 0;
        for (int y = 0; y < part.v.inputs; ++y) {
          for (int x = 0; x < part.h.inputs; ++x) {
            const int entry = part.input(i, y, x);
            (entry > 0 ? positive : negative) += entry;
          }
        }
        range.low = std::min(range.low, in_max * negative);
        range.high = std::max(range.high, in_max * positive);
      }
    }
  }
  return range;
}

void transform_taps(const std::int8_t* taps, bool strided, std::int32_t* u) {
  const auto& G = strided ? kStridedTaps : kTapTransform;
  for (const auto& row : G) {
    std::int32_t sum[3];  // of each column of taps
    for (int s = 0; s < 3; ++s)
      sum[s] = row[0] * taps[s] + row[1] * taps[3 + s] + row[2] * taps[6 + s];
    for (const auto& column : G) {
      *u++ = column[0] * sum[0] + column[1] * sum[1] + column[2] * sum[2];
    }
  }
}

std::vector<WinogradPiece> cut_kernel(std::int64_t taps) {
  if (taps == 3) return {{0, 0, 3, 3}};
  if (taps == 5) return {{0, 3, 3, 2}, {0, 0, 3, 3}, {3, 0, 2, 3}, {3, 3, 2, 2}};
  return {};
}

std::int64_t WinogradPlan::value_rows() const {
  std::int64_t sum = 0;
  for (int size = 0; size < kTileSizes; ++size) {
    const TileCorrelation of_size = correlation(size);
    for (int i = 0; i < of_size.products(); ++i) {
      sum += count(size) * piece_count[of_size.position(i)];
    }
  }
  return sum;
}

std::int64_t WinogradPlan::product_rows() const {
  std::int64_t sum = 0;
  for (int size = 0; size < kTileSizes; ++size) sum += count(size) * correlation(size).products();
  return sum;
}

bool plan_winograd(const IntLayer& layer, int tile, WinogradOperands operands, WinogradPlan& plan,
                   std::string& why, std::int64_t panel_width) {
  const ConvShape& shape = layer.shape;
  const std::int64_t bytes = operand_bytes(operands);
  plan = {};
  plan.tile = tile;
  plan.strided = tile == 3;
  plan.pieces = cut_kernel(shape.R);
  if (!has_fast_shape(layer, plan, why)) return false;
  plan.vertical = cut_axis(shape.P(), tile);
  plan.horizontal = cut_axis(shape.Q(), tile);
  plan.quads = ceil_div(shape.C, 4 / bytes);
  plan.value_stride = round_up(shape.C * bytes, kValueChunk);
  plan.panel_width = panel_width;
  plan.padded_K = round_up(shape.K, 16);
  choose_positions(plan);
  std::int64_t largest_value[kPositions2d] = {};
  if (!values_fit(layer, operands, plan, largest_value, why)) return false;
  plan.weights = TensorS8::zeros({plan.weights_at(plan.padded_K)});
  plan.output_bias = TensorS32::zeros({kTileSizes, round_up(shape.K, kBiasLanes) * kBiasOutputs});
  const int shift = plan.correlation(0).shift();
  for (std::int64_t k = 0; k < shape.K; ++k) {
    // The output transform forms scale²·acc, which must not leave 32 bits before it is divided.
    const std::int64_t bound = channel_bound(layer, k);
    if (bound >= std::int64_t{1} << (31 - shift)) {
      return refuse(why, "accumulators up to " + std::to_string(bound) + " times the scale " +
                             std::to_string(1 << shift) + " leave 32 bits");
    }
    if (!transform_channel(layer, k, operands, largest_value, plan, why)) return false;
  }
  std::int64_t products = 0;
  for (const int position : plan.positions) products += plan.piece_count[position];
  why = std::to_string(products) + " products for " + std::to_string(tile * tile) +
        " outputs, largest |U| " + std::to_string(plan.largest_weight);
  return true;
}

}  // namespace intandem
