#include "quant/integer/fastconv_plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/divide.hpp"
#include "quant/integer/requant_block.hpp"

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

/// Fills `rows` and `planes`.
void cut_rows(FastConvPlan& plan) {
  plan.rows.clear();
  int last = -1;
  for (std::size_t i = 0; i < plan.positions.size(); ++i) {
    const int row = place_of(plan.positions[i]) / kPositions1d;
    if (row != last) plan.rows.push_back({static_cast<int>(i), 0});
    last = row;
    ++plan.rows.back().count;
  }
  plan.planes = 0;
  for (FastConvRow& row : plan.rows) {
    if (plan.repeats_row(row)) row.plane[0] = (&row - 1)->plane[0];
    for (std::size_t q = 0; q < plan.pieces.size() && !plan.repeats_row(row); ++q) {
      row.plane[q] = plan.planes;
      plan.planes += static_cast<std::int64_t>(plan.stored(row, plan.pieces[q]).size());
    }
  }
}

/// Fills what follows from the tiles, the pieces and the form: positions, rows and what is stored.
void choose_positions(FastConvPlan& plan, FastConvForm form, std::int64_t most_stored_bytes) {
  plan.form = form;
  const TileCorrelation& full = plan.correlation(0);
  plan.positions.assign(full.position, full.position + full.products);
  for (const int position : plan.positions) {
    plan.first_piece[position] = plan.piece_count[position] = 0;
    for (int q = 0; q < static_cast<int>(plan.pieces.size()); ++q) {
      if (!plan.pieces[static_cast<std::size_t>(q)].has(position)) continue;
      if (plan.piece_count[position]++ == 0) plan.first_piece[position] = q;
    }
  }
  plan.all_columns = true;
  cut_rows(plan);
  plan.all_columns = form == FastConvForm::strided ||
                     plan.planes * plan.tap_bytes(plan.padded_K) <= most_stored_bytes;
  cut_rows(plan);
}

/// The planes of a panel that are stored of a piece, and the position that each belongs to.
std::vector<std::pair<std::int64_t, int>> stored_planes(const FastConvPlan& plan, std::size_t q) {
  std::vector<std::pair<std::int64_t, int>> planes;
  for (const FastConvRow& row : plan.rows) {
    if (plan.repeats_row(row)) continue;
    std::int64_t plane = row.plane[q];
    for (const int position : plan.stored(row, plan.pieces[q]))
      planes.push_back({plane++, position});
  }
  return planes;
}

/// The 3×3 taps of a piece for output channel k and input channel c, zeros where it has none.
void copy_taps(const IntLayer& layer, const FastConvPiece& piece, std::int64_t k, std::int64_t c,
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
void fill_output_bias(FastConvPlan& plan, std::int64_t k, std::int32_t bias,
                      const std::int64_t* weight_sum, bool shifted) {
  std::int64_t added[kPositions2d] = {};
  for (const int position : plan.positions) {
    if (shifted) added[position] = -value_shift(position) * weight_sum[position];
  }
  for (int size = 0; size < kTileSizes; ++size) {
    const TileCorrelation& tile = plan.correlation(size);
    std::int32_t* entry = plan.output_bias.data() + size * plan.output_bias.dim(1) +
                          k / kBiasLanes * kBiasBlock + k % kBiasLanes;
    for (int y = 0; y < tile.outputs_v; ++y) {
      for (int x = 0; x < tile.outputs_h; ++x) {
        std::int64_t sum = std::int64_t{bias} << tile.shift;
        for (int i = 0; i < tile.products; ++i) {
          sum += tile.output[i][y][x] * added[tile.position[i]];
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

}  // namespace

FastConvAxis cut_axis(std::int64_t outputs, int tile) {
  FastConvAxis axis;
  axis.tiles = (outputs + tile - 1) / tile;
  axis.main = tile;
  const std::int64_t remainder = outputs % tile;
  axis.rest = tile > 2 && (remainder == 1 || remainder == 2) ? static_cast<int>(remainder) : tile;
  return axis;
}

ValueRange value_range(int tile, int position, std::int64_t in_max) {
  ValueRange range;
  const FastConvForm form = tile == 3                     ? FastConvForm::strided
                            : position >= kPlainPositions ? FastConvForm::joined
                                                          : FastConvForm::plain;
  for (const int v : {tile, 2, 1}) {
    for (const int h : {tile, 2, 1}) {
      if (tile == 2 && (v != 2 || h != 2)) continue;
      const TileCorrelation& part = tile_correlation(v, h, form);
      for (int i = 0; i < part.products; ++i) {
        if (part.position[i] != position) continue;
        std::int64_t positive = 0, negative = 0;
        for (const auto& row : part.input[i]) {
          for (const int entry : row) (entry > 0 ? positive : negative) += entry;
        }
        range.low = std::min(range.low, in_max * negative);
        range.high = std::max(range.high, in_max * positive);
      }
    }
  }
  return range;
}

void transform_taps(const std::int8_t* taps, FastConvForm form, std::int32_t* u) {
  const int positions = form == FastConvForm::strided ? kPlainPositions : kPositions2d;
  for (int p = 0; p < positions; ++p) {
    const std::int8_t* const entries = position_taps(p, form);
    u[p] = 0;
    for (int i = 0; i < 9; ++i) u[p] += entries[i] * taps[i];
  }
}

std::vector<FastConvPiece> cut_kernel(std::int64_t taps) {
  if (taps == 3) return {{0, 0, 3, 3}};
  if (taps == 5) return {{0, 3, 3, 2}, {0, 0, 3, 3}, {3, 0, 2, 3}, {3, 3, 2, 2}};
  return {};
}

std::vector<int> FastConvPlan::stored(const FastConvRow& row, const FastConvPiece& piece) const {
  const int first = positions[static_cast<std::size_t>(row.first)];
  std::vector<int> stored;
  if (!all_columns && piece.has(first)) {
    stored = {first, first + 4, first + kInfinity};  // the rows of G g themselves
    stored.resize(static_cast<std::size_t>(piece.columns));
  }
  for (int i = row.first; all_columns && i < row.first + row.count; ++i) {
    const int position = positions[static_cast<std::size_t>(i)];
    if (piece.has(position) && !repeats_column(position)) stored.push_back(position);
  }
  return stored;
}

std::int64_t FastConvPlan::computed_planes() const {
  std::int64_t sum = 0;
  for (const FastConvRow& row : rows) {
    for (const FastConvPiece& piece : pieces) {
      if (all_columns || !piece.has(positions[static_cast<std::size_t>(row.first)])) continue;
      sum += 2;
      if (is_joined(row))
        sum += 3;
      else if (has_complex_columns(row) && piece.columns == 3)
        sum += 2;
    }
  }
  return sum;
}

std::int64_t FastConvPlan::value_rows() const {
  std::int64_t sum = 0;
  for (int size = 0; size < kTileSizes; ++size) {
    const TileCorrelation& of_size = correlation(size);
    for (int i = 0; i < of_size.products; ++i)
      sum += count(size) * piece_count[of_size.position[i]];
  }
  return sum;
}

std::int64_t FastConvPlan::product_rows() const {
  std::int64_t sum = 0;
  for (int size = 0; size < kTileSizes; ++size) sum += count(size) * correlation(size).products;
  return sum;
}

bool plan_fastconv(const IntLayer& layer, int tile, FastConvOperands operands, FastConvPlan& plan,
                   std::string& why, std::int64_t quad_step, std::int64_t panel_width,
                   std::int64_t most_stored_bytes) {
  const ConvShape& shape = layer.shape;
  const bool wide = operands == FastConvOperands::s16;
  const std::int64_t bytes = operand_bytes(operands), in_group = 4 / bytes;
  plan.pieces = cut_kernel(shape.R);
  const bool strided = tile == 3;
  if (layer.kind != IntLayerKind::conv || shape.groups > 1 || plan.pieces.empty() ||
      shape.R != shape.S || shape.stride != (strided ? 2 : 1) || (strided && shape.R != 3)) {
    return refuse(why, strided ? "not a 3x3 convolution of stride 2"
                               : "not a 3x3 or 5x5 convolution of stride 1");
  }
  if (shape.pad > 0) {
    for (std::int64_t c = 0; c < shape.C; ++c) {
      if (layer.pad_code[c] > layer.in_max) return refuse(why, "padding code above in_max");
    }
  }
  plan.tile = tile;
  plan.vertical = cut_axis(shape.P(), tile);
  plan.horizontal = cut_axis(shape.Q(), tile);
  plan.quads = round_up(ceil_div(shape.C, in_group), quad_step);
  plan.value_stride = round_up(shape.C * bytes, kValueChunk);
  plan.panel_width = panel_width;
  plan.padded_K = (shape.K + 15) / 16 * 16;

  // A tile of a single row or column takes the product of row or column 4 by itself; and computing
  // the weights of joined positions costs what they save where few tiles share them.
  const bool few = plan.vertical.tiles * plan.horizontal.tiles < kFewTiles;
  const bool joinable = tile == 4 && plan.vertical.rest != 1 && plan.horizontal.rest != 1;
  choose_positions(plan,
                   strided    ? FastConvForm::strided
                   : joinable ? FastConvForm::joined
                              : FastConvForm::plain,
                   most_stored_bytes);
  if (joinable && few && !plan.all_columns) {
    choose_positions(plan, FastConvForm::plain, most_stored_bytes);
  }
  const TileCorrelation& full = plan.correlation(0);
  std::int64_t largest_value[kPositions2d] = {};
  for (const int position : plan.positions) {
    const ValueRange range = value_range(tile, position, layer.in_max);
    const int shift = wide ? 0 : value_shift(position);
    if (!wide && (range.low + shift < 0 || range.high + shift > 255)) {
      return refuse(why, "codes up to " + std::to_string(layer.in_max) +
                             " give transformed values of more than 8 bits");
    }
    largest_value[position] = range.high + shift;
  }

  plan.taps = TensorS8::zeros({plan.taps_at(plan.padded_K)});
  plan.output_bias = TensorS32::zeros({kTileSizes, round_up(shape.K, kBiasLanes) * kBiasOutputs});
  plan.largest_weight = 0;
  std::vector<std::int64_t> sum(kPositions2d);
  std::vector<std::int32_t> transformed(static_cast<std::size_t>(shape.C * kPositions2d));
  std::vector<std::int32_t> row(static_cast<std::size_t>(shape.C));
  for (std::int64_t k = 0; k < shape.K; ++k) {
    const std::int64_t panel = k / panel_width * panel_width, lane = k - panel;
    const std::int64_t width = plan.width_at(panel);
    // The output transform forms scale²·acc, which must not leave 32 bits before it is divided.
    const std::int64_t bound = channel_bound(layer, k);
    if (bound >= std::int64_t{1} << (31 - full.shift)) {
      return refuse(why, "accumulators up to " + std::to_string(bound) + " times the scale " +
                             std::to_string(1 << full.shift) + " leave 32 bits");
    }
    std::fill(sum.begin(), sum.end(), std::int64_t{0});
    for (std::size_t q = 0; q < plan.pieces.size(); ++q) {
      const FastConvPiece& piece = plan.pieces[q];
      const auto planes = stored_planes(plan, q);
      for (std::int64_t c = 0; c < shape.C; ++c) {
        std::int8_t taps[9];
        copy_taps(layer, piece, k, c, taps);
        std::int32_t* u = transformed.data() + c * kPositions2d;
        transform_taps(taps, plan.form, u);
        for (const auto& [plane, position] : planes) {
          const std::int64_t at = plan.taps_at(panel) + plane * plan.tap_stride(width);
          // The low byte first, so that the 16-bit operands of this machine come out.
          std::memcpy(
              plan.taps.data() + at + (c / in_group * width + lane) * 4 + c % in_group * bytes,
              &u[position], static_cast<std::size_t>(bytes));
        }
      }
      for (const int position : plan.positions) {
        for (std::int64_t c = 0; c < shape.C; ++c) {
          const std::int32_t u = transformed[static_cast<std::size_t>(c * kPositions2d + position)];
          plan.largest_weight = std::max<std::int64_t>(plan.largest_weight, std::abs(u));
          if (!wide && (u < -128 || u > 127)) {
            return refuse(why, "transformed weight " + std::to_string(u) + " is beyond 8 bits");
          }
          row[static_cast<std::size_t>(c)] = u;
          sum[static_cast<std::size_t>(position)] += u;
        }
        if (operands == FastConvOperands::u8_s8_pairs &&
            !pairs_fit(row.data(), shape.C, largest_value[position])) {
          return refuse(why, "two products may leave 16 bits");
        }
      }
    }
    fill_output_bias(plan, k, layer.bias[k], sum.data(), !wide);
  }
  plan_epilogue(layer, plan);
  std::int64_t products = 0;
  for (const int position : plan.positions) products += plan.piece_count[position];
  why = std::to_string(products) + " products for " + std::to_string(tile * tile) +
        " outputs, largest |U| " + std::to_string(plan.largest_weight);
  return true;
}

void plan_epilogue(const IntLayer& layer, FastConvPlan& plan) {
  const std::int64_t K = layer.shape.K, stride = (K + 63) / 64 * 64;
  plan.epilogue_table = TensorS32::zeros({3, stride});
  std::int32_t* m = plan.epilogue_table.data();
  std::int32_t *n = m + stride, *add_m = n + stride;
  std::fill(m, m + stride, 1);
  std::fill(n, n + stride, kQuickShift);
  plan.epilogue = {layer.is_last() ? FastConvEpilogue::raw : FastConvEpilogue::wide,
                   layer.max_code,
                   m,
                   n,
                   layer.add >= 0 ? add_m : nullptr,
                   layer.zero_point,
                   layer.add_zero};
  bool quick = !layer.is_last() && layer.add < 0 && layer.zero_point == 0;
  for (std::int64_t k = 0; k < K; ++k) {
    if (layer.is_last()) continue;
    const Multiplier scale = layer.channel_scale(k);
    m[k] = scale.m;
    n[k] = scale.n;
    if (layer.add >= 0) add_m[k] = layer.add_m[layer.add_m.size() == 1 ? 0 : k];
    if (layer.add < 0) {
      const Multiplier scaled = scale_up(scale);
      m[k] = scaled.m;
      n[k] = scaled.n;
    }
    quick = quick && n[k] >= kQuickShift;
  }
  if (quick) plan.epilogue.mode = FastConvEpilogue::quick;
}

}  // namespace intandem
