// DoReFa: weights through tanh onto odd codes, activations clipped to a fixed range (Zhou, Wu, Ni,
// Zhou, Wen, Zou, "DoReFa-Net: training low bitwidth convolutional neural networks with low
// bitwidth gradients", arXiv 1606.06160).
#pragma once

#include "quant/activation_quantizer.hpp"

namespace intandem {

/// tanh by a fixed sequence of additions, multiplications and divisions, to 1e-14: codes must not
/// depend on the mathematical library or the CPU.
double portable_tanh(double x);

/// QZ5. Nothing is learned besides w. With n = 2^W − 1, W = 2 … 7,
///   ŵ = 2·quantize_W(tanh(w)/(2·max|tanh(w)|) + ½) − 1          (DoReFa section 2.3)
///   q = 2·round(n·(tanh(w)/(2·max|tanh(w)|) + ½)) − n, odd      ŵ = q/n, step 1/n
/// and the gradient is the chain rule through tanh and max, the rounding straight through.
///   W = 1: ŵ = mean|w|·sign(w), the gradient straight through  (section 2.3)
///   W = 8: odd codes do not fit 8 bits. The paper leaves the first and last layers, the usual
///   place
///          of 8 bits, in floats; here they are ŵ = s·round(w/s), s = max|w|/127, gradient 1.
class DorefaQuantizer final : public WeightQuantizer {
 public:
  explicit DorefaQuantizer(int weight_bits) : weight_bits_(weight_bits) {}

  std::string name() const override { return "dorefa"; }
  /// Multiplies w by the factor that makes the codes most parallel to w (largest cosine): tanh
  /// bends, and so clips, only weights that are not small.
  void fit(TensorF& w) override;
  TensorS8 encode(const TensorF& w) const override;
  double step(const TensorF& w) const override;
  void backward(const TensorF& w, const TensorS8& codes, const TensorF& g,
                TensorF& grad_w) override;
  Parameter* state() override { return nullptr; }
  bool learns_state() const override { return false; }

 private:
  int weight_bits_;
};

/// QZ6. quantize_A of the value clipped to [0, range]; the paper's range is 1 (section 2.4). The
/// step range/high is a constant, whatever the activations are.
class DorefaActivation final : public FixedStepActivation {
 public:
  explicit DorefaActivation(double range) : range_(range) {}
  std::string name() const override { return "dorefa"; }
  double fit(const MagnitudeHistogram&, std::int32_t high) const override { return range_ / high; }

 private:
  double range_;
};

}  // namespace intandem
