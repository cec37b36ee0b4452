#include "quant/integer/binary/thresholds.hpp"

#include <algorithm>

#include "core/divide.hpp"
#include "quant/integer/binary/kernels.hpp"
#include "quant/integer/requant.hpp"

namespace intandem {
namespace {

/// The code does not increase with the count, so halving finds the last that gives 1.
std::int32_t limit_of(const IntLayer& layer, std::int64_t k, std::int64_t start) {
  std::int64_t below = -1, above = layer.shape.R * layer.shape.S * layer.shape.C + 1;
  while (above - below > 1) {
    const std::int64_t count = (below + above) / 2;
    const auto acc = static_cast<std::int32_t>(start - count);
    (requantize(acc, layer.channel_scale(k), 1) == 1 ? below : above) = count;
  }
  return static_cast<std::int32_t>(below);
}

}  // namespace

BinaryThresholds binary_thresholds(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  const std::int64_t window = s.R * s.S * s.C;
  const std::int64_t padded = round_up(s.K, kBinaryLanes);
  BinaryThresholds t;
  t.start = TensorS32::zeros({padded});
  for (std::int64_t k = 0; k < s.K; ++k) {
    const std::int8_t* weights = layer.weights.data() + k * window;
    const auto positive = std::count_if(weights, weights + window, [](auto q) { return q > 0; });
    t.start[k] = layer.bias[k] + static_cast<std::int32_t>(positive);
  }
  if (layer.max_code != 1 || layer.add >= 0 || layer.zero_point != 0) return t;
  t.limit = TensorS32::zeros({padded});
  for (std::int64_t k = 0; k < s.K; ++k) t.limit[k] = limit_of(layer, k, t.start[k]);
  return t;
}

}  // namespace intandem
