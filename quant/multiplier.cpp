#include "quant/multiplier.hpp"

#include <cmath>
#include <cstdio>

#include "core/error.hpp"

namespace intandem {
namespace {

std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

}  // namespace

Multiplier make_multiplier(double scale, int bits, const std::string& layer) {
  INTANDEM_CHECK(bits >= 1 && bits <= kMaxMultiplierBits,
                 "multiplier bits " + std::to_string(bits) + " outside 1 ... 15");
  if (!std::isfinite(scale) || scale <= 0.0) {
    throw Error("layer " + layer, "its scale " + scientific(scale) + " is not a positive number",
                "the layer is dead or training diverged; lower the learning rate");
  }
  int exponent = 0;
  const double fraction = std::frexp(scale, &exponent);
  auto m = static_cast<std::int32_t>(std::floor(std::ldexp(fraction, bits) + 0.5));
  std::int32_t n = bits - exponent;
  if (m == (1 << bits)) {
    m >>= 1;
    --n;
  }
  if (n > kMaxShift) {
    m = static_cast<std::int32_t>(std::floor(std::ldexp(scale, kMaxShift) + 0.5));
    n = kMaxShift;
  }
  if (m < 1) {
    throw Error("layer " + layer, "its scale " + scientific(scale) + " rounds to a multiplier of 0",
                "the layer has all but vanished: check gamma and variance there, or lower the "
                "learning rate");
  }
  if (n < kMinShift) {
    throw Error("layer " + layer, "its scale " + scientific(scale) + " needs a shift below 1",
                "its outputs have all but vanished: check gamma and beta there, or lower the "
                "learning rate");
  }
  return {m, n};
}

double multiplier_value(Multiplier multiplier) {
  return std::ldexp(static_cast<double>(multiplier.m), -multiplier.n);
}

}  // namespace intandem
