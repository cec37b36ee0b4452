#include "quant/lower.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "quant/multiplier.hpp"

namespace intandem {
namespace {

std::string channel_text(std::int64_t channel) { return "channel " + std::to_string(channel); }

/// ⌊value + ½⌋; Error naming `layer` and `what` if it does not fit 32 bits.
std::int32_t round_to_int32(double value, const std::string& layer, const std::string& what) {
  const double rounded = std::floor(value + 0.5);
  if (!(std::abs(rounded) <= static_cast<double>(std::numeric_limits<std::int32_t>::max()))) {
    throw Error("layer " + layer, what + " does not fit 32 bits in accumulator units",
                "its weights have all but vanished: check gamma and variance of that layer, or "
                "lower the learning rate");
  }
  return static_cast<std::int32_t>(rounded);
}

}  // namespace

RoundedUnit round_unit(const TensorF& bias, const UnitScales& scales, const std::string& layer) {
  RoundedUnit rounded;
  const std::vector<double>& unit = scales.unit;
  if (!bias.empty()) {
    rounded.bias = TensorS32(bias.shape());
    for (std::int64_t k = 0; k < bias.size(); ++k) {
      const double one = unit[unit.size() == 1 ? 0 : static_cast<std::size_t>(k)];
      rounded.bias[k] = round_to_int32(static_cast<double>(bias[k]) / one, layer,
                                       "the bias of " + channel_text(k));
    }
  }
  if (scales.out_step == 0.0) return rounded;
  for (const double one : unit) {
    rounded.scale.push_back(make_multiplier(one / scales.out_step, scales.multiplier_bits, layer));
    if (scales.shortcut_step == 0.0) continue;
    const double shortcut = scales.shortcut_step / scales.out_step;
    rounded.add_m.push_back(round_to_int32(std::ldexp(shortcut, rounded.scale.back().n), layer,
                                           "the scale of its shortcut"));
  }
  return rounded;
}

UnitCodes quantize_unit(const Student& student, int k) {
  const StudentUnit& unit = student.unit(k);
  const UnitSpec& spec = student.spec().units[static_cast<std::size_t>(k)];
  const UnitGeometry& geometry = student.geometry()[static_cast<std::size_t>(k)];
  UnitCodes codes;
  if (spec.kind == UnitKind::avg_pool) {
    codes.unit = student.in_step(k) / static_cast<double>(geometry.shape.R * geometry.shape.S);
  } else {
    codes.weights = unit.quantizer->encode(unit.weight.value);
    codes.unit = static_cast<double>(unit.alpha.value[0]) * student.in_step(k) *
                 unit.quantizer->step(unit.weight.value);
  }
  UnitScales scales;
  scales.unit = {codes.unit};
  scales.multiplier_bits = student.options().multiplier_bits;
  if (!student.is_last(k)) scales.out_step = static_cast<double>(unit.out_step.value[0]);
  if (geometry.add >= 0) {
    scales.shortcut_step = static_cast<double>(student.unit(geometry.add).out_step.value[0]);
  }
  const RoundedUnit rounded = round_unit(unit.bias.value, scales, spec.name);
  codes.bias = rounded.bias;
  if (!rounded.scale.empty()) codes.scale = rounded.scale.front();
  if (!rounded.add_m.empty()) codes.add_m = rounded.add_m.front();
  return codes;
}

IntLayer layer_frame(const Student& student, int k) {
  const UnitSpec& unit = student.spec().units[static_cast<std::size_t>(k)];
  const UnitGeometry& geometry = student.geometry()[static_cast<std::size_t>(k)];
  IntLayer layer;
  layer.name = unit.name;
  layer.kind = unit.kind == UnitKind::conv     ? IntLayerKind::conv
               : unit.kind == UnitKind::linear ? IntLayerKind::linear
                                               : IntLayerKind::avg_pool;
  layer.shape = geometry.shape;
  layer.pool_kernel = unit.pool_kernel;
  layer.pool_stride = unit.pool_stride;
  layer.input = geometry.from == k - 1 ? -1 : geometry.from;
  layer.in_max = student.in_max(k);
  layer.max_code = student.max_code(k);
  layer.zero_point = student.zero_point(k);
  layer.add = geometry.add;
  if (layer.add >= 0) layer.add_zero = student.zero_point(layer.add);
  layer.pad_code = TensorU8({geometry.shape.C});
  const std::vector<int>& pixel_zero = student.normalization().zero_point;
  for (std::int64_t c = 0; c < geometry.shape.C; ++c) {
    // A linear first unit reads H·W·C values; the channel is the fastest index.
    const auto channel = static_cast<std::size_t>(c) % pixel_zero.size();
    layer.pad_code[c] = static_cast<std::uint8_t>(
        geometry.from < 0 ? pixel_zero[channel] : student.zero_point(geometry.from));
  }
  return layer;
}

void fold_zero_point(IntLayer& layer) {
  const ConvShape& s = layer.shape;
  if (std::all_of(layer.pad_code.begin(), layer.pad_code.end(), [](auto z) { return z == 0; })) {
    return;
  }
  const bool pool = layer.kind == IntLayerKind::avg_pool;
  if (pool) layer.bias = TensorS32::zeros({s.K});
  const std::int64_t C = s.group_C();
  for (std::int64_t k = 0; k < s.K; ++k) {
    std::int64_t sum = pool ? s.R * s.S * layer.pad_code[k] : 0;
    for (std::int64_t i = 0; i < (pool ? 0 : s.reduction()); ++i) {
      sum += std::int64_t{layer.weights[k * s.reduction() + i]} *
             layer.pad_code[s.first_channel(k) + i % C];
    }
    const std::int64_t bias = layer.bias[k] - sum;
    if (std::abs(bias) > std::numeric_limits<std::int32_t>::max()) {
      throw Error("layer " + layer.name,
                  "the bias of " + channel_text(k) +
                      " does not fit 32 bits once the zero point is folded in",
                  "its weights have all but vanished; lower the learning rate");
    }
    layer.bias[k] = static_cast<std::int32_t>(bias);
  }
}

IntLayer lower_codes(const Student& student, int k, const UnitCodes& codes) {
  IntLayer layer = layer_frame(student, k);
  layer.weights = codes.weights;
  if (!codes.bias.empty()) layer.bias = codes.bias.clone();
  layer.weight_bits = layer.kind == IntLayerKind::avg_pool ? 8 : student.unit(k).weight_bits;
  if (!student.is_last(k)) layer.scale = {codes.scale};
  if (layer.add >= 0) layer.add_m = {codes.add_m};
  fold_zero_point(layer);
  return layer;
}

IntLayer lower_unit(const Student& student, int k) {
  IntLayer layer = lower_codes(student, k, quantize_unit(student, k));
  measure_bounds(layer);
  return layer;
}

IntModel lower(const Student& student, int count) {
  const NetworkSpec& spec = student.spec();
  IntModel model;
  model.network = spec.name;
  model.height = spec.height;
  model.width = spec.width;
  model.channels = spec.channels;
  model.classes = spec.classes;
  for (int k = 0; k < count; ++k) model.layers.push_back(lower_unit(student, k));
  return model;
}

}  // namespace intandem
