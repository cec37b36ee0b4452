#include "apps/print/layer_text.hpp"

namespace intandem {

std::string shape_text(const ConvShape& s, bool linear, bool pool) {
  if (linear) return std::to_string(s.C) + " -> " + std::to_string(s.K);
  std::string text = std::to_string(s.H) + "x" + std::to_string(s.W) + "x" + std::to_string(s.C);
  text += " -> " + std::to_string(s.P()) + "x" + std::to_string(s.Q()) + "x" + std::to_string(s.K);
  text += ", " + std::to_string(s.R) + "x" + std::to_string(s.S) + (pool ? " mean" : "");
  if (s.stride != 1) text += " /" + std::to_string(s.stride);
  if (s.is_depthwise()) {
    text += " depthwise";
  } else if (s.groups > 1) {
    text += " in " + std::to_string(s.groups) + " groups";
  }
  return text;
}

std::string shape_text(const IntLayer& layer) {
  return shape_text(layer.shape, layer.kind == IntLayerKind::linear,
                    layer.kind == IntLayerKind::avg_pool);
}

int bits_of(std::int32_t max_code) {
  int bits = 0;
  for (; max_code > 0; max_code >>= 1) ++bits;
  return bits;
}

std::int64_t layer_macs(const IntLayer& layer) {
  return layer.kind == IntLayerKind::avg_pool ? 0 : layer.shape.macs();
}

std::int64_t weight_bytes(const IntLayer& layer) {
  return (layer.weights.size() * layer.weight_bits + 7) / 8;
}

}  // namespace intandem
