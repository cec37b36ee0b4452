#include "quant/pact.hpp"

#include "core/parallel.hpp"
#include "quant/uniform.hpp"

namespace intandem {

double PactActivation::fit(const MagnitudeHistogram& values, std::int32_t high) const {
  return fit_step(values, high, StepMethod::mse);
}

double PactActivation::backward(const float* z, const float* codes, const float* g, std::int64_t n,
                                float step, CodeRange range, float* dz) const {
  pass_inside(z, g, n, step, range, dz);
  // Cancels what the user of s·q adds inside the range: d(s·q)/ds = q + s·∂q/∂s = 0.
  return -interleaved_sum(0, n, [=](std::int64_t i) { return dz[i] * codes[i]; });
}

}  // namespace intandem
