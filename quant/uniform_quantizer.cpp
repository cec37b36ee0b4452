#include "quant/uniform_quantizer.hpp"

#include "core/parallel.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

}  // namespace

UniformQuantizer::UniformQuantizer(int weight_bits, bool full_range, StepMethod method,
                                   const std::string& parameter_name)
    : weight_bits_(weight_bits),
      full_range_(full_range),
      method_(method),
      range_(weight_range(weight_bits, full_range)),
      step_(parameter_name, TensorF::full({1}, 1.0f), false) {}

void UniformQuantizer::fit(TensorF& w) {
  step_.value[0] =
      static_cast<float>(fit_weight_step(w.data(), w.size(), weight_bits_, full_range_, method_));
}

TensorS8 UniformQuantizer::encode(const TensorF& w) const {
  return encode_weights(w, step(w), range_, weight_bits_);
}

void UniformQuantizer::backward(const TensorF& w, const TensorS8&, const TensorF& g,
                                TensorF& grad_w) {
  const auto s = static_cast<float>(step(w));
  // Weights up to half a step beyond the last code round to it without being clipped.
  const float low = weight_bits_ == 1 ? -2.0f * s : (static_cast<float>(range_.low) - 0.5f) * s;
  const float high = weight_bits_ == 1 ? 2.0f * s : (static_cast<float>(range_.high) + 0.5f) * s;
  parallel_for(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (w[i] >= low && w[i] <= high) grad_w[i] += g[i];
    }
  });
}

}  // namespace intandem
