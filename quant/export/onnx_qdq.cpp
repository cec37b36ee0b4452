// The graph in the style of QuantizeLinear and DequantizeLinear: near the integers, not equal.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "quant/export/onnx_export.hpp"
#include "quant/export/onnx_layers.hpp"

namespace intandem {
namespace {

using Type = OnnxWriter::Type;
using Floats = std::vector<float>;

double real(Multiplier scale) { return std::ldexp(static_cast<double>(scale.m), -scale.n); }

/// An integer model keeps ratios of steps only (m·2⁻ⁿ), so the steps themselves are chosen: 1 for
/// pixels and for the codes of a layer, unless a shortcut or an average pool says otherwise.
class QdqGraph {
 public:
  QdqGraph(OnnxWriter& writer, const IntModel& model, std::string path)
      : writer_(writer), model_(model), path_(std::move(path)), shaper_(writer, model) {}

  void build() {
    writer_.input("image", Type::u8, {-1, model_.channels, model_.height, model_.width});
    for (int k = 0; k < static_cast<int>(model_.layers.size()); ++k) {
      step_.push_back(choose_step(k));
      add_layer(k);
    }
    writer_.output("logits", Type::f32, {-1, model_.classes});
  }

 private:
  const IntLayer& layer(int k) const { return model_.layers[static_cast<std::size_t>(k)]; }
  double step(int k) const { return k < 0 ? 1.0 : step_[static_cast<std::size_t>(k)]; }

  bool averages(const IntLayer& l) const {
    return l.kind == IntLayerKind::avg_pool && l.scale.size() == 1 && l.add < 0;
  }

  double choose_step(int k) const {
    const IntLayer& l = layer(k);
    if (l.is_last()) return 1.0;
    if (averages(l)) {
      return step(model_.input_of(k)) /
             (static_cast<double>(l.shape.R * l.shape.S) * real(l.scale[0]));
    }
    if (l.add < 0) return 1.0;
    // s₂/s_out = m₂·2⁻ⁿ (Q6); the channel with the largest m₂ has it to the most digits.
    const auto at = static_cast<std::size_t>(std::max_element(l.add_m.begin(), l.add_m.end()) -
                                             l.add_m.begin());
    if (l.add_m[at] == 0) return 1.0;
    return step(l.add) * std::ldexp(1.0, l.scale[at].n) / l.add_m[at];
  }

  void add_layer(int k) {
    const IntLayer& l = layer(k);
    const std::string name = shaper_.name(k);
    const int from = model_.input_of(k);
    const OnnxCodes& input = shaper_.output(from);
    const bool linear = l.kind == IntLayerKind::linear;
    const std::string codes =
        linear ? shaper_.as_vector(input, name) : shaper_.as_image(input, name);
    const std::string x = dequantized(k, from, codes, linear);
    std::string y = averages(l) ? average(l, x, name) : product(k, x);
    if (l.is_last()) {
      add_logits(l, y, name);
      return;
    }
    if (l.add >= 0) {
      const OnnxCodes& shortcut = shaper_.output(l.add);
      const std::string other = linear ? shaper_.as_vector(shortcut, name + "/add")
                                       : shaper_.as_image(shortcut, name + "/add");
      const std::string z = writer_.node(
          "DequantizeLinear",
          {other, scale(name + "/add_step", step(l.add)), zero(name + "/add_zero", l.add_zero)},
          name + "/shortcut");
      y = writer_.node("Add", {y, z}, name + "/sum");
    }
    y = limited(k, y);
    // A linear layer has one pixel, whose largest is itself.
    if (l.pool_kernel > 0 && l.kind != IntLayerKind::linear) {
      y = writer_.node("MaxPool", {y}, name + "/pool", {},
                       {{"kernel_shape", {l.pool_kernel, l.pool_kernel}},
                        {"strides", {l.pool_stride, l.pool_stride}}});
    }
    const std::string result =
        writer_.node("QuantizeLinear",
                     {y, scale(name + "/step", step(k)), zero(name + "/zero_point", l.zero_point)},
                     name + "/codes");
    shaper_.set_output(k, {result, l.shape.K, l.pooled_P(), l.pooled_Q(), linear});
  }

  /// The zero point of channel c of what layer k reads: of the image one per channel (Q8).
  std::int64_t input_zero(int k, int from, std::int64_t c) const {
    if (from >= 0) return layer(from).zero_point;
    const IntLayer& l = layer(k);
    return l.pad_code.empty() || l.kind == IntLayerKind::linear ? 0 : l.pad_code[c];
  }

  std::string dequantized(int k, int from, const std::string& codes, bool linear) {
    const std::string name = shaper_.name(k);
    if (from >= 0 || linear) {
      return writer_.node("DequantizeLinear",
                          {codes, scale(name + "/in_step", step(from)),
                           zero(name + "/in_zero", input_zero(k, from, 0))},
                          name + "/input");
    }
    OnnxInts zeros;
    for (std::int64_t c = 0; c < model_.channels; ++c) zeros.push_back(input_zero(k, from, c));
    const OnnxInts dims = {model_.channels};
    return writer_.node(
        "DequantizeLinear",
        {codes, writer_.constant(name + "/in_step", dims, Floats(zeros.size(), 1.0f)),
         writer_.constant(name + "/in_zero", Type::u8, dims, zeros)},
        name + "/input", {{"axis", 1}});
  }

  std::string average(const IntLayer& l, const std::string& x, const std::string& name) {
    return writer_.node(
        "AveragePool", {x}, name + "/average", {},
        {{"kernel_shape", {l.shape.R, l.shape.S}}, {"strides", {l.shape.stride, l.shape.stride}}});
  }

  /// Convolution or linear layer; of an average pool that has a shortcut or scales per channel, a
  /// convolution with ones.
  std::string product(int k, const std::string& x) {
    const IntLayer& l = layer(k);
    const ConvShape& s = l.shape;
    const std::string name = shaper_.name(k);
    const int from = model_.input_of(k);
    // s_w = M·s_out/s_in (Q4); of the last layer such that its logits are near the accumulators.
    Floats weight_steps, bias_steps;
    OnnxInts bias;
    for (std::int64_t o = 0; o < s.K; ++o) {
      const double unit = l.is_last() ? 1.0 : real(l.channel_scale(o)) * step(k);
      weight_steps.push_back(static_cast<float>(unit / step(from)));
      bias_steps.push_back(static_cast<float>(unit));
      bias.push_back(bias_without_zero_points(k, from, o));
    }
    const OnnxInts dims = {s.K};
    const std::string w = writer_.node(
        "DequantizeLinear",
        {writer_.constant(name + "/weight_codes", Type::s8, weight_dims(l),
                          channels_first_weights(l, shaper_.output(from))),
         writer_.constant(name + "/weight_steps", dims, weight_steps),
         writer_.constant(name + "/weight_zeros", Type::s8, dims, OnnxInts(bias.size(), 0))},
        name + "/weights", {{"axis", 0}});
    const std::string b =
        writer_.node("DequantizeLinear",
                     {writer_.constant(name + "/bias_codes", Type::s32, dims, bias),
                      writer_.constant(name + "/bias_steps", dims, bias_steps)},
                     name + "/bias", {{"axis", 0}});
    if (l.kind == IntLayerKind::linear) {
      return writer_.node("Gemm", {x, w, b}, name + "/product", {{"transB", 1}});
    }
    const std::int64_t groups = l.kind == IntLayerKind::avg_pool ? s.C : s.groups;
    return writer_.node("Conv", {x, w, b}, name + "/product", {{"group", groups}},
                        {{"kernel_shape", {s.R, s.S}},
                         {"pads", {s.pad, s.pad, s.pad, s.pad}},
                         {"strides", {s.stride, s.stride}}});
  }

  /// The bias of Q3, before Q8 took the zero points into it: DequantizeLinear subtracts them again.
  std::int64_t bias_without_zero_points(int k, int from, std::int64_t o) const {
    const IntLayer& l = layer(k);
    std::int64_t bias = l.bias.empty() ? 0 : l.bias[o];
    if (l.kind == IntLayerKind::avg_pool) {
      bias += l.shape.R * l.shape.S * input_zero(k, from, o);
    } else if (from >= 0 || l.kind == IntLayerKind::linear) {
      bias += input_zero(k, from, 0) * weight_sum(l, o);
    } else {
      for (std::int64_t c = 0; c < l.shape.group_C(); ++c) {
        bias += input_zero(k, from, l.shape.first_channel(o) + c) * weight_sum(l, o, c);
      }
    }
    constexpr std::int64_t kLimit = std::numeric_limits<std::int32_t>::max();
    if (bias < -kLimit || bias > kLimit) {
      throw Error(path_, "the bias of layer " + l.name + " needs more than 32 bits in this style",
                  "use the exact graph, --onnx");
    }
    return bias;
  }

  /// Codes end at max_code, which the byte of QuantizeLinear does not know unless it is 255.
  std::string limited(int k, const std::string& y) {
    const IntLayer& l = layer(k);
    const std::string name = shaper_.name(k);
    if (l.max_code == 255 && l.zero_point == 0) return writer_.node("Relu", {y}, name + "/relu");
    const double low = -l.zero_point * step(k), high = (l.max_code - l.zero_point) * step(k);
    return writer_.node("Clip", {y, scale(name + "/low", low), scale(name + "/high", high)},
                        name + "/clipped");
  }

  void add_logits(const IntLayer& l, std::string y, const std::string& name) {
    if (averages(l)) {  // a mean, where the accumulator is a sum
      y = writer_.node("Mul",
                       {y, scale(name + "/window", static_cast<double>(l.shape.R * l.shape.S))},
                       name + "/window_sum");
    }
    if (l.kind == IntLayerKind::linear) {
      writer_.node("Identity", {y}, "logits");
      return;
    }
    if (l.shape.P() * l.shape.Q() > 1) {
      y = writer_.node("Transpose", {y}, name + "/channels_last", {}, {{"perm", {0, 2, 3, 1}}});
    }
    writer_.node("Flatten", {y}, "logits", {{"axis", 1}});
  }

  std::string scale(const std::string& name, double value) {
    return writer_.constant(name, {}, Floats{static_cast<float>(value)});
  }
  std::string zero(const std::string& name, std::int64_t value) {
    return writer_.constant(name, Type::u8, {}, {value});
  }

  OnnxWriter& writer_;
  const IntModel& model_;
  std::string path_;
  OnnxShaper shaper_;
  std::vector<double> step_;  // by layer
};

}  // namespace

void export_qdq(const IntModel& model, const std::string& path, const OnnxLabels& labels) {
  OnnxWriter writer(path, model.network);
  writer.description(
      "NOT exact: QuantizeLinear rounds ties to even and scales are floats, so codes may differ by "
      "one from intandem's integers. The exact graph is written by --onnx.");
  writer.metadata("arithmetic", "approximate");
  for (const auto& [key, value] : labels) writer.metadata(key, value);
  QdqGraph(writer, model, path).build();
  writer.save();
}

}  // namespace intandem
