// Uniform quantizer with a fitted, not learned, step.
#pragma once

#include "quant/quantizer.hpp"

namespace intandem {

/// ŵ = s·q(w/s) with s of least squared error at the last fit(); dŵ/dw = 1 inside the range.
class UniformQuantizer final : public WeightQuantizer {
 public:
  UniformQuantizer(int weight_bits, bool full_range);

  std::string name() const override { return "uniform"; }
  void fit(const TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step() const override { return step_; }
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* learned() override { return nullptr; }

 private:
  int weight_bits_;
  bool full_range_;
  CodeRange range_;
  double step_ = 1.0;
};

}  // namespace intandem
