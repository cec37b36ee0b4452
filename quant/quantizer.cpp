#include "quant/quantizer.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "quant/lsq.hpp"
#include "quant/uniform_quantizer.hpp"

namespace intandem {

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

std::unique_ptr<WeightQuantizer> make_weight_quantizer(const std::string& name, int weight_bits,
                                                       bool full_range,
                                                       const std::string& parameter_name) {
  if (weight_bits < 1 || weight_bits > 8) {
    throw Error("weight_bits", std::to_string(weight_bits) + " is out of range", "use 1 ... 8",
                ExitCode::usage);
  }
  if (name == "lsq") {
    return std::make_unique<LsqQuantizer>(weight_bits, full_range, parameter_name);
  }
  if (name == "uniform") return std::make_unique<UniformQuantizer>(weight_bits, full_range);
  throw Error("quantizer", "unknown quantizer '" + name + "'", "use lsq or uniform",
              ExitCode::usage);
}

std::vector<std::string> weight_quantizer_names() { return {"lsq", "uniform"}; }

}  // namespace intandem
