#include "quant/quantizer.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "quant/activation_quantizer.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

}  // namespace

CodeRange weight_range(int weight_bits, bool full_range) {
  INTANDEM_CHECK(weight_bits >= 1 && weight_bits <= 8,
                 "weight bits " + std::to_string(weight_bits) + " outside 1 ... 8");
  if (weight_bits == 1) return {-1, 1};
  const std::int32_t half = 1 << (weight_bits - 1);
  return {full_range ? -half : 1 - half, half - 1};
}

std::int32_t max_activation_code(int activation_bits) {
  INTANDEM_CHECK(activation_bits >= 1 && activation_bits <= 8,
                 "activation bits " + std::to_string(activation_bits) + " outside 1 ... 8");
  return (1 << activation_bits) - 1;
}

std::int8_t encode_weight(float value, double step, CodeRange range, int weight_bits) {
  if (weight_bits == 1) return value >= 0.0f ? 1 : -1;
  const double code = std::floor(static_cast<double>(value) / step + 0.5);
  const auto low = static_cast<double>(range.low), high = static_cast<double>(range.high);
  // Written so that NaN becomes `low`: converting it would be undefined.
  return static_cast<std::int8_t>(code > low ? (code < high ? code : high) : low);
}

TensorS8 encode_weights(const TensorF& w, double step, CodeRange range, int weight_bits) {
  TensorS8 codes(w.shape());
  parallel_for(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      codes[i] = encode_weight(w[i], step, range, weight_bits);
    }
  });
  return codes;
}

void pass_inside(const float* z, const float* g, std::int64_t n, float step, CodeRange range,
                 float* dz) {
  const float inverse = 1.0f / step;
  const auto low = static_cast<float>(range.low);
  const auto high = static_cast<float>(range.high);
  for (std::int64_t i = 0; i < n; ++i) {
    const float u = z[i] * inverse;
    // As a factor, because GCC 12 vectorizes no selection by two comparisons.
    const int inside = static_cast<int>(u > low) & static_cast<int>(u < high);
    dz[i] = g[i] * inverse * static_cast<float>(inside);
  }
}

double FixedStepActivation::backward(const float* z, const float*, const float* g, std::int64_t n,
                                     float step, CodeRange range, float* dz) const {
  pass_inside(z, g, n, step, range, dz);
  return 0.0;
}

}  // namespace intandem
