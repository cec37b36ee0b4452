#include "quant/export/onnx_layers.hpp"

namespace intandem {

OnnxShaper::OnnxShaper(OnnxWriter& writer, const IntModel& model)
    : writer_(writer), model_(model), outputs_(model.layers.size() + 1) {
  outputs_[0] = {"image", model.channels, model.height, model.width, false};
}

const OnnxCodes& OnnxShaper::output(int k) const {
  return outputs_[static_cast<std::size_t>(k + 1)];
}

std::string OnnxShaper::as_vector(const OnnxCodes& codes, const std::string& reader) {
  if (codes.flat) return codes.name;
  return writer_.node("Flatten", {codes.name}, reader + "/flat", {{"axis", 1}});
}

std::string OnnxShaper::as_image(const OnnxCodes& codes, const std::string& reader) {
  if (!codes.flat) return codes.name;
  const std::string shape = writer_.constant(reader + "/image_shape", OnnxWriter::Type::s64, {4},
                                             {0, codes.C, codes.H, codes.W});
  return writer_.node("Reshape", {codes.name, shape}, reader + "/as_image");
}

std::string OnnxShaper::name(int k) const {
  return model_.layers[static_cast<std::size_t>(k)].name + "#" + std::to_string(k);
}

OnnxInts channels_first_weights(const IntLayer& layer, const OnnxCodes& input) {
  const ConvShape& s = layer.shape;
  OnnxInts result;
  if (layer.kind == IntLayerKind::avg_pool) {
    result.assign(static_cast<std::size_t>(s.C * s.R * s.S), 1);
    return result;
  }
  const bool linear = layer.kind == IntLayerKind::linear;
  // Of a linear layer the "window" is the whole input, [H][W][C] in the model's order.
  const std::int64_t R = linear ? input.H : s.R, S = linear ? input.W : s.S;
  const std::int64_t C = linear ? input.C : s.group_C();
  result.reserve(static_cast<std::size_t>(layer.weights.size()));
  for (std::int64_t k = 0; k < s.K; ++k) {
    for (std::int64_t c = 0; c < C; ++c) {
      for (std::int64_t r = 0; r < R; ++r) {
        for (std::int64_t w = 0; w < S; ++w) {
          result.push_back(layer.weights[((k * R + r) * S + w) * C + c]);
        }
      }
    }
  }
  return result;
}

OnnxInts weight_dims(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  if (layer.kind == IntLayerKind::linear) return {s.K, s.C};
  if (layer.kind == IntLayerKind::avg_pool) return {s.C, 1, s.R, s.S};
  return {s.K, s.group_C(), s.R, s.S};
}

OnnxInts channel_dims(const IntLayer& layer, std::int64_t K) {
  if (layer.kind == IntLayerKind::linear) return {1, K};
  return {1, K, 1, 1};
}

std::int64_t weight_sum(const IntLayer& layer, std::int64_t k, std::int64_t c) {
  const std::int64_t per_output = layer.weights.size() / layer.shape.K;
  const std::int64_t C = layer.kind == IntLayerKind::conv ? layer.shape.group_C() : layer.shape.C;
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < per_output; ++i) {
    if (c < 0 || i % C == c) sum += layer.weights[k * per_output + i];
  }
  return sum;
}

}  // namespace intandem
