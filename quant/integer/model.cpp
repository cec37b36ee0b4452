#include "quant/integer/model.hpp"

#include <algorithm>

namespace intandem {

std::int64_t IntLayer::pooled_P() const {
  return pool_kernel == 0 ? shape.P() : (shape.P() - pool_kernel) / pool_stride + 1;
}

std::int64_t IntLayer::pooled_Q() const {
  return pool_kernel == 0 ? shape.Q() : (shape.Q() - pool_kernel) / pool_stride + 1;
}

int IntModel::input_of(int k) const {
  const int input = layers[static_cast<std::size_t>(k)].input;
  return input >= 0 ? input : k - 1;
}

std::int64_t IntModel::model_bytes() const {
  constexpr std::int64_t kMultiplier_bytes = 2 + 1;  // m < 2^15 and n <= 46
  std::int64_t bytes = 0;
  for (const IntLayer& layer : layers) {
    bytes += (layer.weights.size() * layer.weight_bits + 7) / 8 + layer.bias.size_bytes() +
             layer.pad_code.size_bytes() +
             static_cast<std::int64_t>(layer.scale.size()) * kMultiplier_bytes +
             static_cast<std::int64_t>(layer.add_m.size() * sizeof(std::int32_t));
  }
  return bytes;
}

void measure_bounds(IntLayer& layer) {
  layer.bound = 0;
  layer.zero_channels = 0;
  if (layer.kind == IntLayerKind::avg_pool) {
    std::int64_t largest_bias = 0;
    for (const std::int64_t bias : layer.bias) {
      largest_bias = std::max(largest_bias, bias < 0 ? -bias : bias);
    }
    layer.bound = layer.shape.R * layer.shape.S * layer.in_max + largest_bias;
    return;
  }
  const std::int64_t reduction = layer.shape.reduction();
  for (std::int64_t k = 0; k < layer.shape.K; ++k) {
    // The largest sum has in_max under every positive weight and 0 under the others; the smallest
    // one the reverse.
    std::int64_t positive = 0, negative = 0;
    for (std::int64_t i = 0; i < reduction; ++i) {
      const std::int64_t q = layer.weights[k * reduction + i];
      (q > 0 ? positive : negative) += q > 0 ? q : -q;
    }
    const std::int64_t bias = layer.bias[k];
    layer.bound = std::max(layer.bound,
                           std::max(positive, negative) * layer.in_max + (bias < 0 ? -bias : bias));
    if (positive + negative == 0) ++layer.zero_channels;
  }
}

}  // namespace intandem
