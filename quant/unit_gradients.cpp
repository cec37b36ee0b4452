#include "quant/unit_gradients.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/conv/conv2d.hpp"
#include "nn/conv/passes.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

TensorF one(double value) { return TensorF::full({1}, static_cast<float>(value)); }

// factor·q as floats.
TensorF scaled_codes(const TensorS8& codes, float factor) {
  TensorF result(codes.shape());
  const std::int8_t* q = codes.data();
  float* out = result.data();
  parallel_for(codes.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = factor * static_cast<float>(q[i]);
  });
  return result;
}

// The gradient of window sums: spreads each over its window.
TensorF spread_windows(const ConvShape& shape, const TensorF& g, float factor, const Shape& to) {
  TensorF dx = TensorF::zeros(to);
  parallel_for(shape.N, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::int64_t i = 0; i < shape.P() * shape.Q() * shape.R * shape.S; ++i) {
        const std::int64_t s = i % shape.S;
        const std::int64_t r = i / shape.S % shape.R;
        const std::int64_t q = i / (shape.S * shape.R) % shape.Q();
        const std::int64_t p = i / (shape.S * shape.R * shape.Q());
        float* out =
            dx.data() +
            ((n * shape.H + p * shape.stride + r) * shape.W + q * shape.stride + s) * shape.C;
        const float* in = g.data() + ((n * shape.P() + p) * shape.Q() + q) * shape.C;
        for (std::int64_t c = 0; c < shape.C; ++c) out[c] += factor * in[c];
      }
    }
  });
  return dx;
}

// z = step_in·sum/(R·S)
void backward_average(const UnitRecord& record, const TensorF& dz) {
  const Var &x = record.x, &in_step = record.in_step;
  if (x->needs_grad) {
    accumulate(x, spread_windows(record.shape, dz, static_cast<float>(record.codes.unit),
                                 x->value.shape()));
  }
  if (!in_step->needs_grad) return;
  const float* g = dz.data();
  const std::int32_t* sums = record.window_sums.data();
  const double d = parallel_sum<double>(dz.size(), kGrain, [=](std::int64_t b, std::int64_t e) {
    return interleaved_sum(b, e,
                           [=](std::int64_t i) { return static_cast<double>(g[i]) * sums[i]; });
  });
  accumulate(in_step, one(d * record.codes.unit / static_cast<double>(in_step->value[0])));
}

void backward_weights(const UnitRecord& record, StudentUnit& unit, const TensorF& dz, double flop) {
  const SimulationMode& mode = record.mode;
  const Var& in_step = record.in_step;
  if (!mode.train && !mode.train_alpha && !in_step->needs_grad) return;
  const TensorS8& codes = record.codes.weights;
  TensorF dw = TensorF::zeros(codes.shape());
  {
    const ProfileScope scope("weight gradient", flop, 0);
    weight_gradient_pass(record.shape, record.winograd, record.x->value.data(), dz.data(),
                         dw.data(), nullptr);
  }
  const ProfileScope scope("quantizer backward", 0, 0);
  // dw is d/d(q) per unit of z; ⟨dw, q⟩ = ⟨dz, Σ q_w q_x⟩ gives every scale's gradient at once.
  const double alpha = static_cast<double>(unit.alpha.value[0]);
  const double step = static_cast<double>(in_step->value[0]);
  const auto factor = static_cast<float>(alpha * step);
  float* g = dw.data();
  const std::int8_t* q = codes.data();
  const double along =
      parallel_sum<double>(dw.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
        const double sum = interleaved_sum(
            begin, end, [=](std::int64_t i) { return g[i] * static_cast<float>(q[i]); });
        for (std::int64_t i = begin; i < end; ++i) g[i] *= factor;
        return sum;
      });
  if (mode.train_alpha) {
    unit.alpha.grad[0] += static_cast<float>(along * record.codes.unit / alpha);
  }
  if (in_step->needs_grad) accumulate(in_step, one(along * record.codes.unit / step));
  if (mode.train) unit.quantizer->backward(unit.weight.value, codes, dw, unit.weight.grad);
}

void backward_shortcut(const UnitRecord& record, const TensorF& dz) {
  const Var &shortcut = record.shortcut, &step = record.shortcut_step;
  if (!shortcut || (!shortcut->needs_grad && !step->needs_grad)) return;
  const float s = step->value[0];
  TensorF d(dz.shape());
  float* out = d.data();
  const float *g = dz.data(), *codes = shortcut->value.data();
  const double d_step =
      parallel_sum<double>(dz.size(), kGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) out[i] = s * g[i];
        return interleaved_sum(begin, end, [=](std::int64_t i) { return g[i] * codes[i]; });
      });
  accumulate(shortcut, std::move(d));
  accumulate(step, one(d_step));
}

}  // namespace

void backward_product(const UnitRecord& record, StudentUnit& unit, const TensorF& dz) {
  backward_shortcut(record, dz);
  if (record.codes.weights.empty()) return backward_average(record, dz);
  const double flop = 2.0 * static_cast<double>(record.shape.macs());
  backward_weights(record, unit, dz, flop);
  const Var& x = record.x;
  if (!x->needs_grad) return;
  const ProfileScope scope("data gradient", flop, 0);
  const TensorF w = scaled_codes(record.codes.weights, static_cast<float>(record.codes.unit));
  TensorF dx(x->value.shape());
  data_gradient_pass(record.shape, record.winograd, dz.data(), w.data(), dx.data());
  accumulate(x, std::move(dx));
}

void add_bias_gradient(const UnitRecord& record, StudentUnit& unit, const TensorF& dz) {
  if (!record.mode.train || record.codes.weights.empty()) return;
  const ProfileScope scope("bias gradient", 0, static_cast<double>(dz.size_bytes()));
  ConvShape pixels;  // a linear layer for each of them
  pixels.K = record.shape.K;
  pixels.N = dz.size() / pixels.K;
  conv2d_backward_bias(pixels, dz.data(), unit.bias.grad.data());
}

}  // namespace intandem
