// The exact ONNX graph.
#include <algorithm>
#include <limits>

#include "quant/export/onnx_export.hpp"
#include "quant/export/onnx_layers.hpp"

namespace intandem {
namespace {

using Type = OnnxWriter::Type;
constexpr std::int64_t kWeightZero = 128;

class IntegerGraph {
 public:
  IntegerGraph(OnnxWriter& writer, const IntModel& model)
      : writer_(writer), model_(model), shaper_(writer, model) {}

  void build() {
    writer_.input("image", Type::u8, {-1, model_.channels, model_.height, model_.width});
    weight_zero_ = writer_.constant("weight_zero", Type::u8, {}, {kWeightZero});
    for (int k = 0; k < static_cast<int>(model_.layers.size()); ++k) add_layer(k);
    writer_.output("logits", Type::s32, {-1, model_.classes});
  }

 private:
  const IntLayer& layer(int k) const { return model_.layers[static_cast<std::size_t>(k)]; }

  void add_layer(int k) {
    const IntLayer& l = layer(k);
    const std::string acc = accumulators(k);
    if (l.is_last()) {
      add_logits(k, acc);
      return;
    }
    const std::string name = shaper_.name(k);
    std::string codes = requantized(k, acc);
    // A linear layer has one pixel, whose largest is itself.
    if (l.pool_kernel > 0 && l.kind != IntLayerKind::linear) {
      codes = writer_.node("MaxPool", {codes}, name + "/pool", {},
                           {{"kernel_shape", {l.pool_kernel, l.pool_kernel}},
                            {"strides", {l.pool_stride, l.pool_stride}}});
    }
    const bool flat = l.kind == IntLayerKind::linear;
    shaper_.set_output(k, {codes, l.shape.K, l.pooled_P(), l.pooled_Q(), flat});
  }

  /// Q3, Q9 in int32.
  std::string accumulators(int k) {
    const IntLayer& l = layer(k);
    const ConvShape& s = l.shape;
    const std::string name = shaper_.name(k);
    const OnnxCodes& input = shaper_.output(model_.input_of(k));
    OnnxInts weights = channels_first_weights(l, input);
    for (std::int64_t& w : weights) w += kWeightZero;
    if (l.kind == IntLayerKind::linear) {
      const std::string x = shaper_.as_vector(input, name);
      const std::string w =
          writer_.constant(name + "/weights", Type::u8, {s.C, s.K}, transposed(weights, s.K, s.C));
      const std::string product =
          writer_.node("MatMulInteger", {x, w, zero(0), weight_zero_}, name + "/product");
      return with_bias(k, product, {l.bias.begin(), l.bias.end()}, {1, s.K});
    }
    const std::string x = shaper_.as_image(input, name);
    const std::string w = writer_.constant(name + "/weights", Type::u8, weight_dims(l), weights);
    const auto [pad_code, bias, dims] = padding(k);
    const std::int64_t groups = l.kind == IntLayerKind::avg_pool ? s.C : s.groups;
    const std::string product = writer_.node("ConvInteger", {x, w, zero(pad_code), weight_zero_},
                                             name + "/product", {{"group", groups}},
                                             {{"kernel_shape", {s.R, s.S}},
                                              {"pads", {s.pad, s.pad, s.pad, s.pad}},
                                              {"strides", {s.stride, s.stride}}});
    return with_bias(k, product, bias, dims);
  }

  /// How the codes outside the image come in: a zero point for ConvInteger, and the bias with it.
  struct Padding {
    std::int64_t code = 0;
    OnnxInts bias, dims;
  };
  Padding padding(int k) const {
    const IntLayer& l = layer(k);
    const ConvShape& s = l.shape;
    Padding result{0, {l.bias.begin(), l.bias.end()}, {1, s.K, 1, 1}};
    if (s.pad == 0 || l.kind == IntLayerKind::avg_pool) return result;
    const auto& codes = l.pad_code;
    const bool uniform = std::all_of(codes.begin(), codes.end(),
                                     [&](std::uint8_t code) { return code == codes[0]; });
    if (uniform) {
      // ConvInteger gives Σ w·(x − code), which is without the padding.
      result.code = codes[0];
      for (std::int64_t o = 0; o < s.K; ++o) {
        result.bias[static_cast<std::size_t>(o)] += result.code * weight_sum(l, o);
      }
      return result;
    }
    result.dims = {1, s.K, s.P(), s.Q()};
    result.bias = bias_of_pixels(l);
    return result;
  }

  /// The bias of every output pixel, [K][P][Q]: with the weights that lie outside the image.
  static OnnxInts bias_of_pixels(const IntLayer& l) {
    const ConvShape& s = l.shape;
    OnnxInts bias;
    bias.reserve(static_cast<std::size_t>(s.K * s.P() * s.Q()));
    for (std::int64_t o = 0; o < s.K; ++o) {
      // What each tap adds where it is outside.
      OnnxInts taps(static_cast<std::size_t>(s.R * s.S), 0);
      for (std::size_t tap = 0; tap < taps.size(); ++tap) {
        for (std::int64_t c = 0; c < s.group_C(); ++c) {
          const std::int64_t at =
              (o * s.R * s.S + static_cast<std::int64_t>(tap)) * s.group_C() + c;
          taps[tap] += std::int64_t{l.weights[at]} * l.pad_code[s.first_channel(o) + c];
        }
      }
      for (std::int64_t p = 0; p < s.P(); ++p) {
        for (std::int64_t q = 0; q < s.Q(); ++q) {
          std::int64_t sum = l.bias[o];
          for (std::int64_t r = 0; r < s.R; ++r) {
            for (std::int64_t t = 0; t < s.S; ++t) {
              const std::int64_t h = p * s.stride + r - s.pad, w = q * s.stride + t - s.pad;
              const bool inside = h >= 0 && h < s.H && w >= 0 && w < s.W;
              if (!inside) sum += taps[static_cast<std::size_t>(r * s.S + t)];
            }
          }
          bias.push_back(sum);
        }
      }
    }
    return bias;
  }

  /// acc in int32. A bias beyond int32 (of a padding that cancels it) wraps, and the sum is right
  /// all the same: both are modulo 2³², and |acc| < 2³¹ (Q7).
  std::string with_bias(int k, const std::string& product, const OnnxInts& bias,
                        const OnnxInts& dims) {
    if (bias.empty()) return product;
    const std::string name = shaper_.name(k);
    const std::string b = writer_.constant(name + "/bias", Type::s32, dims, bias);
    return writer_.node("Add", {product, b}, name + "/acc");
  }

  std::string requantized(int k, const std::string& acc) {
    const IntLayer& l = layer(k);
    const std::string name = shaper_.name(k);
    OnnxInts m, divisor, constant;
    for (std::size_t i = 0; i < l.scale.size(); ++i) {
      const std::int64_t power = std::int64_t{1} << l.scale[i].n;
      m.push_back(l.scale[i].m);
      divisor.push_back(power);
      constant.push_back(power / 2 + l.zero_point * power -
                         (l.add >= 0 ? std::int64_t{l.add_zero} * l.add_m[i] : 0));
    }
    const OnnxInts dims = channel_dims(l, static_cast<std::int64_t>(m.size()));
    const auto number = [&](const char* what, const OnnxInts& values) {
      return writer_.constant(name + what, Type::s64, dims, values);
    };
    std::string sum = to_s64(acc, name + "/acc_s64");
    sum = writer_.node("Mul", {sum, number("/m", m)}, name + "/scaled");
    if (l.add >= 0) {
      const OnnxCodes& from = shaper_.output(l.add);
      const bool flat = l.kind == IntLayerKind::linear;
      const std::string codes =
          flat ? shaper_.as_vector(from, name + "/add") : shaper_.as_image(from, name + "/add");
      const std::string shortcut = writer_.node(
          "Mul",
          {to_s64(codes, name + "/add_s64"), number("/add_m", {l.add_m.begin(), l.add_m.end()})},
          name + "/add_scaled");
      sum = writer_.node("Add", {sum, shortcut}, name + "/sum");
    }
    sum = writer_.node("Add", {sum, number("/rounding", constant)}, name + "/rounded");
    sum = writer_.node("Div", {sum, number("/two_to_n", divisor)}, name + "/shifted");
    const std::string high =
        writer_.constant(name + "/max_code", Type::s64, {}, {std::int64_t{l.max_code}});
    sum = writer_.node("Clip", {sum, low(), high}, name + "/clamped");
    return writer_.node("Cast", {sum}, name + "/codes",
                        {{"to", OnnxWriter::type_number(Type::u8)}});
  }

  void add_logits(int k, std::string acc) {
    const IntLayer& l = layer(k);
    if (l.kind == IntLayerKind::linear) {
      writer_.node("Identity", {acc}, "logits");
      return;
    }
    if (l.shape.P() * l.shape.Q() > 1) {
      acc = writer_.node("Transpose", {acc}, shaper_.name(k) + "/channels_last", {},
                         {{"perm", {0, 2, 3, 1}}});
    }
    writer_.node("Flatten", {acc}, "logits", {{"axis", 1}});
  }

  std::string to_s64(const std::string& x, const std::string& name) {
    return writer_.node("Cast", {x}, name, {{"to", OnnxWriter::type_number(Type::s64)}});
  }

  /// The zero point `code` of an input, one constant for all that use it.
  std::string zero(std::int64_t code) {
    std::string& name = zeros_[code];
    if (name.empty()) {
      name = writer_.constant("zero_" + std::to_string(code), Type::u8, {}, {code});
    }
    return name;
  }
  std::string low() {
    if (low_.empty()) low_ = writer_.constant("low", Type::s64, {}, {0});
    return low_;
  }

  static OnnxInts transposed(const OnnxInts& x, std::int64_t rows, std::int64_t columns) {
    OnnxInts result;
    result.reserve(x.size());
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t r = 0; r < rows; ++r) {
        result.push_back(x[static_cast<std::size_t>(r * columns + c)]);
      }
    }
    return result;
  }

  OnnxWriter& writer_;
  const IntModel& model_;
  OnnxShaper shaper_;
  std::string weight_zero_, low_;
  std::map<std::int64_t, std::string> zeros_;
};

}  // namespace

void export_onnx(const IntModel& model, const std::string& path, const OnnxLabels& labels) {
  OnnxWriter writer(path, model.network);
  writer.description(
      "Integer operators alone: the int32 logits are those of intandem's engine, bit for bit.");
  writer.metadata("arithmetic", "exact");
  for (const auto& [key, value] : labels) writer.metadata(key, value);
  IntegerGraph(writer, model).build();
  writer.save();
}

}  // namespace intandem
