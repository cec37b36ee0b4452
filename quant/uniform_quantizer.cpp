#include "quant/uniform_quantizer.hpp"

#include "quant/uniform.hpp"

namespace intandem {

UniformQuantizer::UniformQuantizer(int weight_bits, bool full_range)
    : weight_bits_(weight_bits),
      full_range_(full_range),
      range_(weight_range(weight_bits, full_range)) {}

void UniformQuantizer::fit(const TensorF& w) {
  step_ = fit_weight_step(w.data(), w.size(), weight_bits_, full_range_, StepMethod::mse);
}

TensorS8 UniformQuantizer::encode(const TensorF& w) const {
  TensorS8 codes(w.shape());
  for (std::int64_t i = 0; i < w.size(); ++i) {
    codes[i] = encode_weight(w[i], step_, range_, weight_bits_);
  }
  return codes;
}

void UniformQuantizer::backward(const TensorF& w, const TensorS8&, const TensorF& g,
                                TensorF& grad_w) {
  const auto low = static_cast<float>((range_.low - 0.5) * step_);
  const auto high = static_cast<float>((range_.high + 0.5) * step_);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    if (w[i] > low && w[i] < high) grad_w[i] += g[i];
  }
}

}  // namespace intandem
