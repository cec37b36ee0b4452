#include "quant/integer/binary/binary.hpp"

#include <algorithm>

namespace intandem {

bool is_binary(const IntLayer& layer) {
  const auto is_one = [](std::int8_t q) { return q == 1 || q == -1; };
  return layer.kind != IntLayerKind::avg_pool && layer.shape.groups == 1 && layer.in_max == 1 &&
         std::all_of(layer.weights.begin(), layer.weights.end(), is_one) &&
         std::all_of(layer.pad_code.begin(), layer.pad_code.end(), [](auto c) { return c <= 1; });
}

std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer) {
  if (!is_binary(layer)) return nullptr;
  if (auto strips = prepare_binary_strips(layer)) return strips;
  return prepare_binary_nibble(layer);
}

}  // namespace intandem
