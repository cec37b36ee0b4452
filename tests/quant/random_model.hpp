// Random integer models: what check_model lets through, with a taste for the edges of it. Whoever
// adds a feature to IntLayer adds a draw of it here; the differential test then covers it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "quant/integer/model.hpp"
#include "tests/quant/int_cases.hpp"

namespace intandem::testing {

/// Draws one model, layer by layer. The same seed gives the same model.
class ModelDrawer {
 public:
  explicit ModelDrawer(std::uint64_t seed) : draw_(seed) {}

  IntModel model() {
    model_ = {};
    model_.network = "random";
    one_bit_ = one_in(4);
    tiny_ = one_in(4);
    model_.height = tiny_ ? draw_.pick<std::int64_t>({1, 1, 1, 2}) : draw_extent();
    model_.width = tiny_ ? draw_.pick<std::int64_t>({1, 1, 1, 3}) : draw_extent();
    model_.channels = draw_.pick<std::int64_t>({1, 1, 2, 3, 3, 5, 16});
    const std::int64_t count = draw_.between(1, 5);
    for (std::int64_t i = 0; i < count; ++i) model_.layers.push_back(layer(i + 1 == count));
    model_.classes = model_.layers.back().output_size();
    return model_;
  }

 private:
  static constexpr std::int64_t kMostMacs =
      120'000;  // of a layer and image: the loops must keep up
  static constexpr std::int64_t kMostWeights = 60'000;
  static constexpr std::int64_t kLargest = 2147483647;  // of an accumulator, Q7
  static constexpr std::int64_t kMaxExtent = 1 << 24;   // model_check.cpp

  bool one_in(std::int64_t n) { return draw_.between(1, n) == 1; }

  std::int64_t draw_extent() {
    return draw_.pick<std::int64_t>(
        {1, 1, 2, 3, draw_.between(4, 9), draw_.between(4, 9), draw_.between(10, 33)});
  }

  /// Mostly usual strides; now and then far larger than any image.
  std::int64_t draw_stride() {
    return draw_.pick<std::int64_t>(
        {1, 1, 1, 1, 2, 2, 2, 3, 4, draw_.between(5, 40), 1 << 12, kMaxExtent});
  }

  IntLayer layer(bool last) {
    IntLayer layer;
    layer.name = "layer" + std::to_string(model_.layers.size());
    draw_geometry(layer);
    draw_weights(layer);
    measure_bounds(layer);
    draw_bias(layer);
    measure_bounds(layer);
    layer.max_code = last ? 0 : draw_max_code();
    if (!last) {
      draw_shortcut(layer);
      draw_scales(layer);
      draw_pool(layer);
      if (one_in(3)) layer.zero_point = static_cast<std::int32_t>(draw_.between(0, layer.max_code));
      if (one_in(3)) layer.zero_point = (layer.max_code + 1) / 2;
    }
    return layer;
  }

  void draw_geometry(IntLayer& layer) {
    ConvShape& s = layer.shape;
    const bool first = model_.layers.empty();
    if (!first && one_in(4)) {
      layer.input = static_cast<int>(draw_.between(0, static_cast<int>(model_.layers.size()) - 1));
    }
    const IntLayer* from = first ? nullptr
                           : layer.input >= 0
                               ? &model_.layers[static_cast<std::size_t>(layer.input)]
                               : &model_.layers.back();
    s.H = first ? model_.height : from->pooled_P();
    s.W = first ? model_.width : from->pooled_Q();
    s.C = first ? model_.channels : from->shape.K;
    layer.in_max = first ? 255 : from->max_code;
    const std::int64_t kind = draw_.between(0, 9);
    if (kind == 0) {
      layer.kind = IntLayerKind::avg_pool;
      s.K = s.C;
      s.R = draw_.between(1, std::min<std::int64_t>(s.H, 4));
      s.S = draw_.between(1, std::min<std::int64_t>(s.W, 4));
      s.stride = draw_stride();
      if (one_in(2)) layer.bias = TensorS32::zeros({s.K});
    } else if (kind <= 2) {
      layer.kind = IntLayerKind::linear;
      s.C *= s.H * s.W;
      s.H = s.W = 1;
      s.K = draw_channels(s);
    } else {
      draw_convolution(layer);
    }
  }

  void draw_convolution(IntLayer& layer) {
    ConvShape& s = layer.shape;
    const bool square = !one_in(4);
    s.R = draw_.pick<std::int64_t>({1, 1, 3, 3, 3, 5, draw_.between(1, 7), 11, s.H});
    s.S = square ? s.R : draw_.pick<std::int64_t>({1, 3, draw_.between(1, 7), s.W});
    s.pad = draw_.pick<std::int64_t>({0, 0, 1, 1, s.R / 2, 2, draw_.between(0, 4)});
    s.stride = draw_stride();
    // As an earlier layer, so that its codes can be added.
    if (!model_.layers.empty() && one_in(3)) {
      s.R = s.S = draw_.pick<std::int64_t>({1, 3, 5});
      s.pad = s.R / 2;
      s.stride = 1;
    }
    s.R = std::min(s.R, s.H + 2 * s.pad);
    s.S = std::min(s.S, s.W + 2 * s.pad);
    while (s.P() * s.Q() * s.reduction() > kMostMacs || s.reduction() > kMostWeights) {
      if (s.R > 1 || s.S > 1) {
        s.R = (s.R + 1) / 2;
        s.S = (s.S + 1) / 2;
        s.pad = std::min(s.pad, s.R);
      } else {
        s.stride = std::max(2 * s.stride, s.stride + 1);
      }
    }
    s.K = draw_channels(s);
    if (!model_.layers.empty() && one_in(2)) {
      const std::int64_t K = model_
                                 .layers[static_cast<std::size_t>(draw_.between(
                                     0, static_cast<std::int64_t>(model_.layers.size()) - 1))]
                                 .shape.K;
      if (K <= most_channels(s)) s.K = K;
    }
    draw_groups(s);
  }

  /// Depthwise, or any number of groups that divides the channels, which are made to divide.
  void draw_groups(ConvShape& s) {
    if (!one_in(3)) return;
    if (one_in(2) && s.P() * s.Q() * s.R * s.S * s.C <= kMostMacs) {
      s.groups = s.K = s.C;
      return;
    }
    const std::int64_t groups = draw_.pick<std::int64_t>({2, 3, 4, 8, s.C});
    if (s.C % groups != 0 || s.K < groups) return;
    s.groups = groups;
    s.K -= s.K % groups;
  }

  static std::int64_t most_channels(const ConvShape& s) {
    return std::max<std::int64_t>(
        1, std::min(kMostMacs / (s.P() * s.Q() * s.reduction()), kMostWeights / s.reduction()));
  }

  std::int64_t draw_channels(const ConvShape& s) {
    const std::int64_t K = draw_.pick<std::int64_t>(
        {1, 2, 3, 5, 8, 10, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, draw_.between(1, 130)});
    return std::min(K, most_channels(s));
  }

  std::int32_t draw_max_code() {
    if (one_bit_ && !one_in(8)) return 1;
    const std::int32_t bits = draw_.pick({1, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8});
    const std::int32_t largest = (1 << bits) - 1;
    return one_in(12) ? static_cast<std::int32_t>(draw_.between(1, 255)) : largest;
  }

  void draw_weights(IntLayer& layer) {
    if (layer.kind == IntLayerKind::avg_pool) return;
    const ConvShape& s = layer.shape;
    const bool matrix = layer.kind == IntLayerKind::linear;
    layer.weights = TensorS8(matrix ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.group_C()});
    layer.bias = TensorS32::zeros({s.K});
    layer.weight_bits =
        static_cast<std::int32_t>((one_bit_ && !one_in(8)) || one_in(3) ? 1 : draw_.between(1, 8));
    const std::int64_t half = std::int64_t{1} << (layer.weight_bits - 1);
    const bool odd = layer.weight_bits == 1 || (layer.weight_bits < 8 && one_in(4));
    const std::int64_t low = odd ? 1 - 2 * half : -half, high = odd ? 2 * half - 1 : half - 1;
    const auto code = [&](std::int64_t i) {
      const std::int64_t q = low + (odd ? 2 : 1) * i;
      return static_cast<std::int8_t>(std::min(q, high));
    };
    // All random; all at one end; ends at random; mostly zeros.
    const std::int64_t manner = draw_.pick<std::int64_t>({0, 0, 0, 0, 1, 2, 3, 4});
    const bool coin = draw_.coin();
    for (auto& q : layer.weights) {
      const std::int64_t any = draw_.between(0, 2 * half - 1);
      q = code(any);
      if (manner == 1) q = static_cast<std::int8_t>(coin ? low : high);
      if (manner == 2) q = static_cast<std::int8_t>(any % 2 == 0 ? low : high);
      if (manner == 3 && !odd && !one_in(8)) q = 0;
    }
    if (manner == 4 && !odd) {  // a channel that is always its bias
      const std::int64_t k = draw_.between(0, s.K - 1);
      std::fill_n(layer.weights.begin() + k * s.reduction(), s.reduction(), std::int8_t{0});
    }
    if (s.pad == 0 && draw_.coin()) return;
    layer.pad_code = TensorU8(Shape{s.C});
    const std::int64_t padding = draw_.between(0, 2);
    for (auto& code_outside : layer.pad_code) {
      const std::int64_t any = padding == 0 ? 0 : draw_.between(0, layer.in_max);
      code_outside = static_cast<std::uint8_t>(padding == 2 && coin ? layer.in_max : any);
    }
  }

  /// The bound of the layer without biases is measured: what is left below 2^31 is for them.
  void draw_bias(IntLayer& layer) {
    const std::int64_t room = kLargest - layer.bound;
    const std::int64_t largest = draw_.pick<std::int64_t>({0, 50, 5000, layer.bound, room, room});
    const bool extreme = one_in(3);
    for (auto& b : layer.bias) {
      const std::int64_t most = std::min(largest, room);
      std::int64_t value = draw_.between(0, most) * (draw_.coin() ? 1 : -1);
      if (extreme) value = draw_.coin() ? most : -most;
      b = static_cast<std::int32_t>(value);
    }
  }

  /// Mostly such that codes of all sizes come out; now and then any m and n there are.
  Multiplier draw_scale(const IntLayer& layer) {
    Multiplier scale{static_cast<std::int32_t>(draw_.between(1, 32767)), kMinShift};
    if (one_in(6)) scale.m = draw_.pick({1, 2, 16384, 32767});
    if (one_in(8)) {
      scale.n = draw_.pick({kMinShift, 2, 15, 16, 17, 30, 31, 32, 45, kMaxShift,
                            static_cast<std::int32_t>(draw_.between(kMinShift, kMaxShift))});
      return scale;
    }
    const std::int64_t reach = layer.bound / draw_.pick<std::int64_t>({1, 4, 16, 64}) + 1;
    while (scale.n < kMaxShift && ((reach * scale.m) >> scale.n) > layer.max_code) ++scale.n;
    return scale;
  }

  void draw_scales(IntLayer& layer) {
    const std::int64_t scales = draw_.coin() ? layer.shape.K : 1;
    for (std::int64_t k = 0; k < scales; ++k) {
      layer.scale.push_back(draw_scale(layer));
      if (layer.add < 0) continue;
      const std::int64_t whole = std::int64_t{1} << std::min(layer.scale.back().n, 30);
      layer.add_m.push_back(static_cast<std::int32_t>(
          one_in(8) ? draw_.pick<std::int64_t>({0, 1, kLargest}) : draw_.between(0, whole)));
    }
  }

  void draw_shortcut(IntLayer& layer) {
    std::vector<int> possible;
    for (std::size_t i = 0; i < model_.layers.size(); ++i) {
      const IntLayer& from = model_.layers[i];
      if (from.pooled_P() == layer.shape.P() && from.pooled_Q() == layer.shape.Q() &&
          from.shape.K == layer.shape.K) {
        possible.push_back(static_cast<int>(i));
      }
    }
    if (possible.empty() || one_in(4)) return;
    layer.add = possible[static_cast<std::size_t>(
        draw_.between(0, static_cast<std::int64_t>(possible.size()) - 1))];
    layer.add_zero = model_.layers[static_cast<std::size_t>(layer.add)].zero_point;
  }

  void draw_pool(IntLayer& layer) {
    if (!one_in(3)) return;
    const std::int64_t most = std::min(layer.shape.P(), layer.shape.Q());
    layer.pool_kernel = std::min(most, draw_.between(1, 4));
    layer.pool_stride = one_in(2) ? layer.pool_kernel : draw_stride();
  }

  Draw draw_;
  IntModel model_;
  // What only goes wrong together is drawn together: what is rare in every layer of its own hardly
  // ever meets.
  bool one_bit_ = false;  // most weights and codes
  bool tiny_ = false;     // images of a pixel or a few
};

inline IntModel random_model(std::uint64_t seed) { return ModelDrawer(seed).model(); }

/// One line about a layer, enough to write it down as a test.
inline std::string describe_layer(const IntLayer& layer) {
  static constexpr const char* kKinds[] = {"conv", "linear", "avg_pool"};
  std::string text = std::string(kKinds[static_cast<int>(layer.kind)]) + " " + layer.shape.str() +
                     ", W" + std::to_string(layer.weight_bits) + ", codes to " +
                     std::to_string(layer.in_max) + " and " + std::to_string(layer.max_code) +
                     ", bound " + std::to_string(layer.bound);
  if (!layer.scale.empty()) {
    text += ", " + std::to_string(layer.scale.size()) + " scales, the first " +
            std::to_string(layer.scale[0].m) + " >> " + std::to_string(layer.scale[0].n);
  }
  if (layer.add >= 0) text += ", adds layer " + std::to_string(layer.add);
  if (layer.input >= 0) text += ", reads layer " + std::to_string(layer.input);
  if (layer.zero_point != 0 || layer.add_zero != 0) {
    text += ", zero points " + std::to_string(layer.zero_point) + " and, of the shortcut, " +
            std::to_string(layer.add_zero);
  }
  if (layer.pool_kernel > 0) {
    text += ", pool " + std::to_string(layer.pool_kernel) + " stride " +
            std::to_string(layer.pool_stride);
  }
  return text;
}

}  // namespace intandem::testing
