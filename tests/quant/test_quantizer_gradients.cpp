// Each quantizer's codes and straight-through gradients against its paper's formulas, by hand.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/rng.hpp"
#include "quant/dorefa.hpp"
#include "quant/lsq.hpp"
#include "quant/pact.hpp"
#include "quant/uniform_quantizer.hpp"
#include "quant/wage.hpp"

using namespace intandem;

namespace {

TensorF tensor(const std::vector<float>& values) {
  TensorF t({static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.begin());
  return t;
}

/// dL/dw for L = Σ g·ŵ.
TensorF weight_gradient(WeightQuantizer& quantizer, const TensorF& w, const TensorF& g) {
  TensorF grad = TensorF::zeros(w.shape());
  quantizer.backward(w, quantizer.encode(w), g, grad);
  return grad;
}

/// dL/dz and dL/ds for L = Σ g·(s·q): what the quantizer gives, plus the user's Σ g·q.
struct ActivationGradient {
  std::vector<float> dz;
  double ds = 0.0;
};
ActivationGradient activation_gradient(const ActivationQuantizer& quantizer,
                                       const std::vector<float>& z, const std::vector<float>& g,
                                       float step, std::int32_t high) {
  ActivationGradient result{std::vector<float>(z.size()), 0.0};
  std::vector<float> codes(z.size()), g_code(z.size());
  for (std::size_t i = 0; i < z.size(); ++i) {
    codes[i] = std::min(std::max(std::floor(z[i] / step + 0.5f), 0.0f), static_cast<float>(high));
    g_code[i] = step * g[i];
    result.ds += static_cast<double>(g[i] * codes[i]);
  }
  result.ds +=
      quantizer.backward(z.data(), codes.data(), g_code.data(), static_cast<std::int64_t>(z.size()),
                         step, {0, high}, result.dz.data());
  return result;
}

// Below, inside (three), at the last code, clipped.
const std::vector<float> kZ{-0.3f, 0.2f, 0.6f, 1.4f, 1.6f, 5.0f};
const std::vector<float> kG{1.0f, 2.0f, -3.0f, 0.5f, 4.0f, -1.0f};
constexpr float kStep = 0.5f;
constexpr std::int32_t kHigh = 3;  // clips at 1.5

}  // namespace

TEST_CASE("LSQ activations: d(sq)/ds = q - z/s inside, the clipped code outside (eq. 3)",
          "[quantizers]") {
  const auto d = activation_gradient(LsqActivation(), kZ, kG, kStep, kHigh);
  const double expected = 2.0 * (0 - 0.4) - 3.0 * (1 - 1.2) + 0.5 * (3 - 2.8) + 4.0 * 3 - 1.0 * 3;
  CHECK(d.ds == Approx(expected).epsilon(1e-5));
  const std::vector<float> dz{0.0f, 2.0f, -3.0f, 0.5f, 0.0f, 0.0f};  // eq. 5
  for (std::size_t i = 0; i < dz.size(); ++i) CHECK(d.dz[i] == Approx(dz[i]));
}

TEST_CASE("PACT: the clipping level gets the gradients of clipped activations alone (eq. 3)",
          "[quantizers]") {
  const auto d = activation_gradient(PactActivation(), kZ, kG, kStep, kHigh);
  // dL/dκ = Σ over z ≥ κ of g with κ = s·high, so dL/ds = high times that.
  CHECK(d.ds == Approx(kHigh * (4.0 - 1.0)).epsilon(1e-5));
  const std::vector<float> dz{0.0f, 2.0f, -3.0f, 0.5f, 0.0f, 0.0f};
  for (std::size_t i = 0; i < dz.size(); ++i) CHECK(d.dz[i] == Approx(dz[i]));
  CHECK(PactActivation().learns_step());
  CHECK(PactActivation().decays_step());
}

TEST_CASE("fixed steps of activations: DoReFa's constant, WAGE's power of two, uniform's fits",
          "[quantizers]") {
  MagnitudeHistogram values(1.0);
  const Rng rng(4);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const float v = rng.normal(i);
    values.add(&v, 1, true);
  }
  CHECK(DorefaActivation(1.0).fit(values, 15) == Approx(1.0 / 15));
  CHECK(DorefaActivation(6.0).fit(values, 3) == Approx(2.0));
  const double mse = UniformActivation(StepMethod::mse).fit(values, 3);
  CHECK(UniformActivation(StepMethod::min_max).fit(values, 3) > mse);
  int exponent = 0;
  const double wage = WageActivation().fit(values, 3);
  CHECK(std::frexp(wage, &exponent) == 0.5);
  CHECK(values.squared_error(wage, 3) <= values.squared_error(2 * wage, 3));
  CHECK(values.squared_error(wage, 3) <= values.squared_error(wage / 2, 3));

  for (const ActivationQuantizer* quantizer :
       {static_cast<const ActivationQuantizer*>(new DorefaActivation(1.5)),
        static_cast<const ActivationQuantizer*>(new WageActivation()),
        static_cast<const ActivationQuantizer*>(new UniformActivation(StepMethod::mse))}) {
    CHECK_FALSE(quantizer->learns_step());
    const auto d = activation_gradient(*quantizer, kZ, kG, kStep, kHigh);
    // Straight through between 0 and the clip (DoReFa, sections 2.2 and 2.4), 0 outside.
    const std::vector<float> dz{0.0f, 2.0f, -3.0f, 0.5f, 0.0f, 0.0f};
    for (std::size_t i = 0; i < dz.size(); ++i) CHECK(d.dz[i] == Approx(dz[i]));
    delete quantizer;
  }
}

TEST_CASE("portable tanh is tanh", "[quantizers]") {
  for (double x = -25.0; x < 25.0; x += 0.0137) {
    CHECK(portable_tanh(x) == Approx(std::tanh(x)).epsilon(1e-13).margin(1e-15));
  }
}

TEST_CASE("DoReFa weights: odd codes of the normalized tanh", "[quantizers]") {
  DorefaQuantizer two(2);
  const TensorF w = tensor({-2.0f, -0.1f, 0.0f, 0.3f, 1.0f});
  const TensorS8 codes = two.encode(w);
  const double top = std::tanh(2.0);
  CHECK(two.step(w) == Approx(1.0 / 3));
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const double t = std::tanh(static_cast<double>(w[i]));
    const double quantized = std::floor(3.0 * (t / (2.0 * top) + 0.5) + 0.5) / 3.0;  // quantize_2
    CHECK(two.step(w) * codes[i] == Approx(2.0 * quantized - 1.0));
    CHECK(std::abs(codes[i]) % 2 == 1);
  }
  for (int bits = 2; bits <= 7; ++bits) {
    TensorF wide = tensor({-1.0f, 0.001f, 1.0f});
    DorefaQuantizer quantizer(bits);
    const TensorS8 ends = quantizer.encode(wide);
    CHECK(ends[0] == 1 - (1 << bits));
    CHECK(ends[2] == (1 << bits) - 1);
  }
  DorefaQuantizer eight(8);  // not odd codes: the plain uniform quantizer
  const TensorS8 plain = eight.encode(w);
  CHECK(plain[0] == -127);
  CHECK(plain[2] == 0);
  CHECK(plain[4] == 64);
  CHECK(eight.step(w) == Approx(2.0 / 127));
}

TEST_CASE("DoReFa gradients: the chain rule through tanh and max", "[quantizers]") {
  DorefaQuantizer quantizer(3);
  const TensorF w = tensor({-0.7f, 0.2f, 0.5f, -0.05f});
  const TensorF g = tensor({0.3f, -2.0f, 1.0f, 0.7f});
  const TensorF grad = weight_gradient(quantizer, w, g);
  // Without the rounding ŵ = tanh(w)/max|tanh(w)|: central differences of Σ g·ŵ.
  const auto loss = [&](std::int64_t at, double by) {
    double top = 0.0, sum = 0.0;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t i = 0; i < 4; ++i) {
        const double t = std::tanh(static_cast<double>(w[i]) + (i == at ? by : 0.0));
        if (pass == 0) top = std::max(top, std::abs(t));
        if (pass == 1) sum += static_cast<double>(g[i]) * t / top;
      }
    }
    return sum;
  };
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(grad[i] == Approx((loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5).epsilon(1e-4).margin(1e-6));
  }
  DorefaQuantizer one(1);  // straight through
  const TensorF straight = weight_gradient(one, w, g);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(straight[i] == g[i]);
  CHECK(one.step(w) == Approx((0.7 + 0.2 + 0.5 + 0.05) / 4));
}

TEST_CASE("DoReFa's fit scales weights until their codes are most parallel to them",
          "[quantizers]") {
  TensorF w({64, 32});
  const Rng rng(8);
  for (std::int64_t i = 0; i < w.size(); ++i)
    w[i] = 0.01f * rng.normal(static_cast<std::uint64_t>(i));
  const auto cosine = [](const TensorF& a, const TensorS8& q) {
    double aq = 0, aa = 0, qq = 0;
    for (std::int64_t i = 0; i < a.size(); ++i) {
      const double v = static_cast<double>(a[i]);
      aq += v * q[i], aa += v * v, qq += static_cast<double>(q[i]) * q[i];
    }
    return aq / std::sqrt(aa * qq);
  };
  for (const int bits : {2, 3, 4}) {
    DorefaQuantizer quantizer(bits);
    TensorF fitted = w.clone();
    quantizer.fit(fitted);
    const float factor = fitted[0] / w[0];
    for (std::int64_t i = 0; i < w.size(); ++i) CHECK(fitted[i] == Approx(factor * w[i]));
    const double best = cosine(w, quantizer.encode(fitted));
    CHECK(best > cosine(w, quantizer.encode(w)));
    CHECK(best > (bits == 2 ? 0.92 : 0.97));
  }
}

TEST_CASE("uniform weights: straight through to half a step beyond the last code", "[quantizers]") {
  UniformQuantizer quantizer(2, true, StepMethod::mse, "s");  // codes −2 … 1
  quantizer.state()->value[0] = 0.5f;
  const TensorF w = tensor({-1.3f, -1.2f, 0.0f, 0.7f, 0.8f});
  const TensorF grad = weight_gradient(quantizer, w, tensor({1, 2, 3, 4, 5}));
  const float expected[] = {0, 2, 3, 4, 0};
  for (int i = 0; i < 5; ++i) CHECK(grad[i] == expected[i]);
  CHECK_FALSE(quantizer.learns_state());
  CHECK(quantizer.state()->grad[0] == 0.0f);
}

TEST_CASE("WAGE weights: a power of two, clipped latents only move back", "[quantizers]") {
  WageQuantizer quantizer(3, "s");  // codes −3 … 3
  quantizer.state()->value[0] = 0.25f;
  const TensorF w = tensor({-1.0f, -1.0f, 0.3f, 0.9f, 0.9f});
  const TensorS8 codes = quantizer.encode(w);
  const int q[] = {-3, -3, 1, 3, 3};
  for (int i = 0; i < 5; ++i) CHECK(codes[i] == q[i]);
  const TensorF grad = weight_gradient(quantizer, w, tensor({1, -1, 2, 3, -3}));
  const float expected[] = {0, -1, 2, 3, 0};  // an update −g that leads back towards 0 passes
  for (int i = 0; i < 5; ++i) CHECK(grad[i] == expected[i]);
  TensorF normal({1000});
  for (std::int64_t i = 0; i < 1000; ++i)
    normal[i] = 0.07f * Rng(3).normal(static_cast<std::uint64_t>(i));
  quantizer.fit(normal);
  int exponent = 0;
  CHECK(std::frexp(quantizer.step(normal), &exponent) == 0.5);
}

TEST_CASE("LSQ's gradient scale is 1/sqrt(count*high) (section 2.2)", "[quantizers]") {
  CHECK(LsqQuantizer(3, true, "s").state_gradient_scale(300) == Approx(1.0 / 30.0));
  CHECK(LsqActivation().step_gradient_scale(100, 4) == Approx(1.0 / 20.0));
}
