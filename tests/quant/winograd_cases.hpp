// Random layers for the tests of the exact fast convolution.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "quant/integer/model.hpp"

namespace intandem::testing {

struct WinogradCase {
  ConvShape shape;
  std::int32_t in_max = 15, weight_max = 7;
  std::int32_t max_code = 15;  // 0: last layer
  bool per_channel = false, shortcut = false;
  std::int64_t pool_kernel = 0, pool_stride = 0;
  enum Pattern { random, largest, alternating, lowest } pattern = random;
  Multiplier scale = {20000, 22};
};

inline std::string describe(const WinogradCase& c) {
  return c.shape.str() + " a " + std::to_string(c.in_max) + " w " + std::to_string(c.weight_max) +
         " out " + std::to_string(c.max_code) + " pattern " + std::to_string(c.pattern) + " pool " +
         std::to_string(c.pool_kernel) + (c.shortcut ? " add" : "");
}

inline std::int32_t signed_draw(const Rng& rng, std::uint64_t i, std::int32_t most) {
  return static_cast<std::int32_t>(rng.below(i, static_cast<std::uint32_t>(2 * most + 1))) - most;
}

inline IntLayer make_layer(const WinogradCase& c, const Rng& rng) {
  IntLayer layer;
  layer.name = "conv";
  layer.shape = c.shape;
  layer.in_max = c.in_max;
  layer.max_code = c.max_code;
  layer.pool_kernel = c.pool_kernel;
  layer.pool_stride = c.pool_stride;
  const std::int64_t K = c.shape.K, C = c.shape.C;
  layer.weights = TensorS8({K, c.shape.R, c.shape.S, C});
  layer.bias = TensorS32({K});
  layer.pad_code = TensorU8({C});
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    const std::int32_t w = c.pattern == WinogradCase::random
                               ? signed_draw(rng.stream("w"), i, c.weight_max)
                           : c.pattern == WinogradCase::largest ? c.weight_max
                           : c.pattern == WinogradCase::lowest  ? -c.weight_max
                           : (i / C + i % C) % 2 == 0           ? c.weight_max
                                                                : -c.weight_max;
    layer.weights[i] = static_cast<std::int8_t>(w);
  }
  for (std::int64_t k = 0; k < K; ++k) layer.bias[k] = signed_draw(rng.stream("b"), k, 3000);
  for (std::int64_t i = 0; i < C; ++i) {
    layer.pad_code[i] = static_cast<std::uint8_t>(rng.stream("p").below(i, c.in_max + 1));
  }
  if (c.max_code == 0) return layer;
  for (std::int64_t k = 0; k < (c.per_channel ? K : 1); ++k) {
    layer.scale.push_back(
        {c.scale.m + static_cast<std::int32_t>(37 * k), c.scale.n - (k % 3 == 2)});
    if (c.shortcut) layer.add_m.push_back(100000 + static_cast<std::int32_t>(k));
  }
  if (c.shortcut) layer.add = 0;
  return layer;
}

inline std::vector<std::uint8_t> make_codes(const WinogradCase& c, std::int64_t count,
                                            const Rng& rng) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(
        c.pattern == WinogradCase::random ? rng.below(i, c.in_max + 1)
        : c.pattern == WinogradCase::largest || c.pattern == WinogradCase::lowest ? c.in_max
        : (i / c.shape.C) % 2 == (i % 2)                                          ? c.in_max
                                                                                  : 0);
  }
  return codes;
}

}  // namespace intandem::testing
