// Weight quantizers: codes, fitted steps and straight-through gradients.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/rng.hpp"
#include "quant/lsq.hpp"
#include "quant/quantizer.hpp"
#include "quant/uniform.hpp"

using namespace intandem;

namespace {

TensorF normal_weights(std::int64_t K, std::int64_t C, std::uint64_t seed) {
  TensorF w({K, C});
  const Rng rng(seed);
  for (std::int64_t i = 0; i < w.size(); ++i)
    w[i] = 0.1f * rng.normal(static_cast<std::uint64_t>(i));
  return w;
}

double squared_error(const TensorF& w, double step, int bits, bool full_range) {
  double sum = 0.0;
  for (const float v : w) {
    const double q = encode_weight(v, step, weight_range(bits, full_range), bits);
    sum += (static_cast<double>(v) - step * q) * (static_cast<double>(v) - step * q);
  }
  return sum;
}

}  // namespace

TEST_CASE("code ranges follow Q1 and Q2") {
  CHECK(weight_range(4, false).low == -7);
  CHECK(weight_range(4, true).low == -8);
  CHECK(weight_range(4, true).high == 7);
  CHECK(weight_range(8, true).low == -128);
  CHECK(weight_range(2, false).low == -1);
  CHECK(weight_range(1, true).low == -1);
  CHECK(weight_range(1, true).high == 1);
  CHECK(max_activation_code(1) == 1);
  CHECK(max_activation_code(8) == 255);
  CHECK_THROWS_AS(weight_range(9, true), Error);
  CHECK_THROWS_AS(weight_range(0, true), Error);
  CHECK_THROWS_AS(max_activation_code(0), Error);
}

TEST_CASE("weights are rounded half up and clamped") {
  const CodeRange range = weight_range(4, true);
  CHECK(encode_weight(0.5f, 1.0, range, 4) == 1);
  CHECK(encode_weight(-0.5f, 1.0, range, 4) == 0);
  CHECK(encode_weight(-1.5f, 1.0, range, 4) == -1);
  CHECK(encode_weight(100.0f, 1.0, range, 4) == 7);
  CHECK(encode_weight(-100.0f, 1.0, range, 4) == -8);
  CHECK(encode_weight(0.0f, 1.0, weight_range(1, true), 1) == 1);
  CHECK(encode_weight(-1e-30f, 1.0, weight_range(1, true), 1) == -1);
}

TEST_CASE("the fitted step is a minimum of the squared error") {
  const TensorF w = normal_weights(16, 64, 3);
  for (const int bits : {2, 3, 4, 6, 8}) {
    for (const bool full_range : {false, true}) {
      const double step = fit_weight_step(w.data(), w.size(), bits, full_range, StepMethod::mse);
      const double best = squared_error(w, step, bits, full_range);
      // Lloyd's alternation ends in a local minimum that no other method's step may beat by far.
      for (double factor = 0.3; factor < 3.0; factor *= 1.05) {
        CHECK(best <= 1.02 * squared_error(w, factor * step, bits, full_range));
      }
      const double min_max =
          fit_weight_step(w.data(), w.size(), bits, full_range, StepMethod::min_max);
      const double percentile =
          fit_weight_step(w.data(), w.size(), bits, full_range, StepMethod::percentile);
      CHECK(percentile <= min_max);
      CHECK(best <= squared_error(w, min_max, bits, full_range));
      CHECK(best <= squared_error(w, percentile, bits, full_range));
    }
  }
}

TEST_CASE("min-max maps the largest magnitude to the largest code") {
  TensorF w({4});
  const float values[] = {0.1f, -0.7f, 0.3f, 0.0f};
  std::copy(std::begin(values), std::end(values), w.begin());
  const double step = fit_weight_step(w.data(), 4, 4, false, StepMethod::min_max);
  CHECK(step == Approx(0.7 / 7).epsilon(1e-3));
}

TEST_CASE("one step per channel, all-zero channels survive") {
  TensorF w = normal_weights(3, 50, 5);
  for (std::int64_t i = 50; i < 100; ++i) w[i] = 0.0f;
  for (std::int64_t i = 100; i < 150; ++i) w[i] *= 100.0f;
  const auto steps = fit_weight_steps_per_channel(w, 4, true, StepMethod::mse);
  REQUIRE(steps.size() == 3);
  CHECK(steps[1] == 1.0);
  CHECK(steps[2] > 20 * steps[0]);
}

TEST_CASE("a histogram grows to hold larger values") {
  MagnitudeHistogram histogram(1.0);
  const float values[] = {0.5f, -3.0f, 10.0f, 0.25f};
  histogram.add(values, 4, false);
  CHECK(histogram.count() == 4);
  CHECK(histogram.limit() == 16.0);
  CHECK(histogram.quantile(1.0) == Approx(10.0).epsilon(1e-2));
  CHECK(histogram.quantile(0.25) == Approx(0.25).epsilon(2e-2));
  MagnitudeHistogram positive(1.0);
  positive.add(values, 4, true);
  CHECK(positive.count() == 3);
}

TEST_CASE("LSQ gradients are those of equations 3 and 5") {
  LsqQuantizer lsq(2, true, "step");  // codes −2 … 1
  lsq.state()->value[0] = 0.5f;
  TensorF w({5});
  const float values[] = {0.1f, 0.45f, -0.6f, 9.0f, -9.0f};
  std::copy(std::begin(values), std::end(values), w.begin());
  const TensorS8 codes = lsq.encode(w);
  const std::int8_t expected[] = {0, 1, -1, 1, -2};
  for (int i = 0; i < 5; ++i) CHECK(codes[i] == expected[i]);

  TensorF g({5});
  const float upstream[] = {1.0f, 2.0f, -1.0f, 3.0f, 5.0f};
  std::copy(std::begin(upstream), std::end(upstream), g.begin());
  TensorF grad_w = TensorF::zeros({5});
  lsq.backward(w, codes, g, grad_w);
  const float expected_w[] = {1.0f, 2.0f, -1.0f, 0.0f, 0.0f};
  for (int i = 0; i < 5; ++i) CHECK(grad_w[i] == expected_w[i]);
  // Σ g·(q − w/s) inside, Σ g·q outside the range.
  const double step_gradient =
      1.0 * (0 - 0.2) + 2.0 * (1 - 0.9) - 1.0 * (-1 + 1.2) + 3.0 * 1 + 5.0 * -2;
  CHECK(lsq.state()->grad[0] == Approx(step_gradient).epsilon(1e-5));
}

TEST_CASE("one-bit LSQ: sign codes, gradient inside twice the step") {
  LsqQuantizer lsq(1, true, "step");
  TensorF w = normal_weights(4, 25, 9);
  lsq.fit(w);
  double mean = 0.0;
  for (const float v : w) mean += std::abs(static_cast<double>(v)) / 100.0;
  CHECK(lsq.step(w) == Approx(mean).epsilon(1e-5));
  const TensorS8 codes = lsq.encode(w);
  for (std::int64_t i = 0; i < w.size(); ++i) CHECK(codes[i] == (w[i] >= 0.0f ? 1 : -1));
  TensorF grad_w = TensorF::zeros(w.shape());
  lsq.backward(w, codes, TensorF::full(w.shape(), 1.0f), grad_w);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    CHECK(grad_w[i] == (std::abs(w[i]) <= 2.0f * static_cast<float>(lsq.step(w)) ? 1.0f : 0.0f));
  }
}
