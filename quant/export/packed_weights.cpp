#include "quant/export/packed_weights.hpp"

#include <algorithm>

namespace intandem {

PackedWeights pack_weights(const IntLayer& layer) {
  PackedWeights packed;
  if (layer.weights.empty()) return packed;
  const std::int32_t W = layer.weight_bits, half = 1 << (W - 1);
  const bool plain = W > 1 && std::all_of(layer.weights.begin(), layer.weights.end(),
                                          [&](int q) { return q >= -half && q < half; });
  packed.bits = W;
  packed.low = plain ? -half : 1 - 2 * half;
  packed.step = plain ? 1 : 2;
  const std::int64_t count = layer.shape.reduction();
  packed.row_bytes = (count * W + 7) / 8;
  packed.bytes.assign(static_cast<std::size_t>(layer.shape.K * packed.row_bytes), 0);
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    const std::int32_t field = (layer.weights[i] - packed.low) / packed.step;
    const std::int64_t bit = i % count * W;
    std::uint8_t* byte = packed.bytes.data() + i / count * packed.row_bytes + bit / 8;
    const std::int32_t shifted = field << (bit % 8);
    byte[0] = static_cast<std::uint8_t>(byte[0] | (shifted & 0xFF));
    if (shifted > 0xFF) byte[1] = static_cast<std::uint8_t>(byte[1] | (shifted >> 8));
  }
  return packed;
}

}  // namespace intandem
