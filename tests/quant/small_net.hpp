// A network with every kind of layer, and its logits by the definition.
#pragma once

#include <vector>

#include "quant/integer/engine.hpp"
#include "tests/quant/int_cases.hpp"

namespace intandem::testing {

/// conv 3×3 (zero-point padding) + max-pool, conv 3×3, conv 3×3 with a shortcut from layer 0,
/// average pool, linear: every kind of layer, 10×10×3 pixels to 5 classes.
inline IntModel small_net(std::uint64_t seed, bool per_channel) {
  Draw draw(seed);
  IntModel model;
  model.network = "small";
  model.height = model.width = 10;
  model.channels = 3;
  model.classes = 5;
  const auto add = [&](LayerOptions o, const char* name) {
    o.per_channel = per_channel;
    o.in_max = model.layers.empty() ? 255 : model.layers.back().max_code;
    model.layers.push_back(make_layer(o, draw));
    model.layers.back().name = name;
  };
  LayerOptions o;
  o.shape = {1, 10, 10, 3, 8, 3, 3, 1, 1};
  o.max_code = 15;
  o.pool_kernel = o.pool_stride = 2;
  add(o, "conv1");
  o = {};
  o.shape = {1, 5, 5, 8, 8, 3, 3, 1, 1};
  o.weight_bits = 4;
  o.max_code = 15;
  add(o, "conv2");
  o.with_add = true;
  add(o, "conv3");
  o = {};
  o.kind = IntLayerKind::avg_pool;
  o.shape = {1, 5, 5, 8, 8, 5, 5, 1, 0};
  o.max_code = 63;
  add(o, "pool");
  o = {};
  o.kind = IntLayerKind::linear;
  o.shape = {1, 1, 1, 8, 5, 1, 1, 1, 0};
  o.max_code = 0;
  add(o, "fc");
  check_model(model, "small net");
  return model;
}

inline std::vector<std::int32_t> naive_logits(const IntModel& model, std::int64_t N,
                                              const std::vector<std::uint8_t>& images) {
  std::vector<std::vector<std::uint8_t>> codes;
  std::vector<std::int64_t> out;
  for (const IntLayer& layer : model.layers) {
    const std::vector<std::uint8_t> shortcut =
        layer.add >= 0 ? codes[static_cast<std::size_t>(layer.add)] : std::vector<std::uint8_t>{};
    out = naive_layer(layer, N, codes.empty() ? images : codes.back(), shortcut);
    codes.emplace_back(out.begin(), out.end());
  }
  return {out.begin(), out.end()};
}

inline std::vector<std::int32_t> engine_logits(Engine& engine, std::int64_t N,
                                               const std::vector<std::uint8_t>& images) {
  std::vector<std::int32_t> logits(static_cast<std::size_t>(N * engine.model().classes));
  engine.run(images.data(), N, logits.data());
  return logits;
}

}  // namespace intandem::testing
