#include "quant/lsq.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"
#include "quant/uniform.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

}  // namespace

LsqQuantizer::LsqQuantizer(int weight_bits, bool full_range, const std::string& parameter_name)
    : weight_bits_(weight_bits),
      full_range_(full_range),
      range_(weight_range(weight_bits, full_range)),
      step_(parameter_name, TensorF::full({1}, 1.0f), false) {}

void LsqQuantizer::fit(TensorF& w) {
  step_.value[0] = static_cast<float>(
      fit_weight_step(w.data(), w.size(), weight_bits_, full_range_, StepMethod::mse));
}

// A step driven to zero or below by a large update would flip every code; the floor keeps the sign.
double LsqQuantizer::step(const TensorF&) const { return std::max(step_.value[0], 1e-12f); }

TensorS8 LsqQuantizer::encode(const TensorF& w) const {
  return encode_weights(w, step(w), range_, weight_bits_);
}

void LsqQuantizer::backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                            TensorF& grad_w) {
  check_same_shape(g.shape(), w.shape(), "weight gradient");
  const auto s = static_cast<float>(step(w));
  const auto low = static_cast<float>(range_.low);
  const auto high = static_cast<float>(range_.high);
  const bool binary = weight_bits_ == 1;
  const double grad_step =
      parallel_sum<double>(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        double sum = 0.0;
        for (std::int64_t i = begin; i < end; ++i) {
          const float v = w[i] / s;
          const auto q = static_cast<float>(codes[i]);
          const bool inside = binary ? std::abs(v) <= 2.0f : v > low && v < high;
          if (inside) grad_w[i] += g[i];
          sum += static_cast<double>(g[i] * (inside && !binary ? q - v : q));
        }
        return sum;
      });
  step_.grad[0] += static_cast<float>(grad_step);
}

double LsqQuantizer::state_gradient_scale(std::int64_t count) const {
  return 1.0 / std::sqrt(static_cast<double>(count) * range_.high);
}

double LsqActivation::fit(const MagnitudeHistogram& values, std::int32_t high) const {
  return fit_step(values, high, StepMethod::mse);
}

double LsqActivation::backward(const float* z, const float*, const float* g, std::int64_t n,
                               float step, CodeRange range, float* dz) const {
  pass_inside(z, g, n, step, range, dz);
  const float inverse = 1.0f / step;  // ∂q/∂s = −z/s² inside, 0 outside (Q13)
  return -interleaved_sum(0, n, [=](std::int64_t i) { return dz[i] * z[i] * inverse; });
}

double LsqActivation::step_gradient_scale(std::int64_t count, std::int32_t high) const {
  return 1.0 / std::sqrt(static_cast<double>(count) * high);
}

}  // namespace intandem
