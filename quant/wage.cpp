#include "quant/wage.hpp"

#include <cmath>

#include "core/parallel.hpp"
#include "quant/uniform.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

/// Of the two powers of two around `step` the one with the smaller error(power).
template <class F>
double better_power(double step, const F& error) {
  int exponent = 0;
  std::frexp(step, &exponent);  // step = f·2^exponent with ½ ≤ f < 1
  const double below = std::ldexp(1.0, exponent - 1);
  return error(below) <= error(2.0 * below) ? below : 2.0 * below;
}

}  // namespace

WageQuantizer::WageQuantizer(int weight_bits, const std::string& parameter_name)
    : weight_bits_(weight_bits),
      range_(weight_range(weight_bits, false)),
      step_(parameter_name, TensorF::full({1}, 1.0f), false) {}

void WageQuantizer::fit(TensorF& w) {
  const double best = fit_weight_step(w.data(), w.size(), weight_bits_, false, StepMethod::mse);
  step_.value[0] = static_cast<float>(better_power(best, [&](double s) {
    return parallel_sum<double>(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      double sum = 0.0;
      for (std::int64_t i = begin; i < end; ++i) {
        const double error =
            static_cast<double>(w[i]) - s * encode_weight(w[i], s, range_, weight_bits_);
        sum += error * error;
      }
      return sum;
    });
  }));
}

TensorS8 WageQuantizer::encode(const TensorF& w) const {
  return encode_weights(w, step(w), range_, weight_bits_);
}

void WageQuantizer::backward(const TensorF& w, const TensorS8&, const TensorF& g, TensorF& grad_w) {
  const float limit = static_cast<float>(range_.high) * static_cast<float>(step(w));
  parallel_for(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      // Descent moves against g: back inside when g has the sign of w.
      if (std::abs(w[i]) <= limit || g[i] * w[i] > 0.0f) grad_w[i] += g[i];
    }
  });
}

double WageActivation::fit(const MagnitudeHistogram& values, std::int32_t high) const {
  return better_power(fit_step(values, high, StepMethod::mse),
                      [&](double s) { return values.squared_error(s, high); });
}

}  // namespace intandem
