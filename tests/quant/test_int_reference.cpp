// The normative rounding and the reference engine against definitions in wide arithmetic.
#include <catch2/catch.hpp>

#include "quant/integer/engine.hpp"
#include "quant/integer/ops_ref.hpp"
#include "quant/integer/plan.hpp"
#include "tests/quant/int_cases.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

// round(value / 2ⁿ) with halves up, by floor division.
std::int64_t wide_requantize(std::int64_t acc, std::int64_t m, std::int32_t n, std::int64_t added,
                             std::int64_t max_code) {
  const Wide divisor = Wide{1} << n;
  const Wide value = Wide{acc} * m + added + divisor / 2;
  const Wide q = value / divisor - (value % divisor < 0 ? 1 : 0);
  return q < 0 ? 0 : q > max_code ? max_code : static_cast<std::int64_t>(q);
}

}  // namespace

TEST_CASE("requantize equals wide arithmetic over the documented ranges", "[integer]") {
  constexpr std::int32_t kLargest = 2147483647;
  Draw draw(1);
  for (std::int32_t n = kMinShift; n <= kMaxShift; ++n) {
    for (const std::int32_t m : {1, 2, 3, 255, 16384, 32766, 32767}) {
      for (const std::int32_t max_code : {1, 3, 15, 255}) {
        std::vector<std::int64_t> values = {0, 1, -1, kLargest, -kLargest};
        // Around every point where the code steps: (2j+1)·2ⁿ⁻¹ / m, exact ties among them.
        for (std::int64_t j = -1; j <= 4; ++j) {
          const std::int64_t step = (2 * j + 1) * (std::int64_t{1} << (n - 1)) / m;
          for (std::int64_t d = -2; d <= 2; ++d) values.push_back(step + d);
        }
        values.push_back(draw.between(-kLargest / 2, kLargest / 2));
        for (const std::int64_t value : values) {
          if (value > kLargest || value < -kLargest) continue;
          const auto acc = static_cast<std::int32_t>(value);
          CHECK(requantize(acc, {m, n}, max_code) == wide_requantize(acc, m, n, 0, max_code));
          for (const std::int32_t m2 : {0, 1, 77, kLargest}) {
            const auto q2 = static_cast<std::uint8_t>(draw.between(0, 255));
            CHECK(requantize_add(acc, {m, n}, q2, m2, max_code) ==
                  wide_requantize(acc, m, n, std::int64_t{q2} * m2, max_code));
          }
        }
      }
    }
  }
}

TEST_CASE("halves round up, also below zero", "[integer]") {
  CHECK(round_shift(1, 1) == 1);    // 0.5
  CHECK(round_shift(3, 1) == 2);    // 1.5
  CHECK(round_shift(-1, 1) == 0);   // −0.5
  CHECK(round_shift(-3, 1) == -1);  // −1.5
  CHECK(round_shift(5, 2) == 1);    // 1.25
  CHECK(round_shift(-6, 2) == -1);  // −1.5
  CHECK(requantize(1, {1, 1}, 15) == 1);
  CHECK(requantize(-1, {1, 1}, 15) == 0);
}

TEST_CASE("the reference engine equals the definition", "[integer]") {
  Draw draw(2);
  for (int trial = 0; trial < 60; ++trial) {
    LayerOptions o;
    o.kind = draw.pick({IntLayerKind::conv, IntLayerKind::linear, IntLayerKind::avg_pool});
    ConvShape& s = o.shape;
    s.C = draw.between(1, 9);
    s.K = draw.between(1, 7);
    if (o.kind != IntLayerKind::linear) {
      s.R = draw.between(1, 4);
      s.S = o.kind == IntLayerKind::conv ? draw.between(1, 4) : s.R;
      s.H = s.R + draw.between(0, 5);
      s.W = s.S + draw.between(0, 5);
      s.stride = draw.between(1, 3);
      s.pad = o.kind == IntLayerKind::conv ? draw.between(0, 2) : 0;
    }
    if (o.kind == IntLayerKind::avg_pool) s.K = s.C;
    o.weight_bits = static_cast<std::int32_t>(draw.between(1, 8));
    o.in_max = draw.pick({1, 3, 15, 255});
    o.max_code = draw.pick({0, 1, 3, 15, 255});
    o.per_channel = draw.coin();
    if (o.max_code > 0) {
      o.with_add = draw.coin();
      o.pool_kernel = draw.between(0, std::min<std::int64_t>({2, s.P(), s.Q()}));
      o.pool_stride = o.pool_kernel > 0 ? draw.between(1, 2) : 0;
    }
    const IntLayer layer = make_layer(o, draw);
    const std::int64_t N = draw.between(0, 3);
    const auto input = random_codes(N * s.H * s.W * s.C, o.in_max, draw);
    const auto shortcut = random_codes(N * s.P() * s.Q() * s.K, 255, draw);
    const auto wanted = naive_layer(layer, N, input, shortcut);
    const auto prepared = prepare_reference(layer);
    INFO(s.str() << ", trial " << trial);
    CHECK(run_guarded(*prepared, layer, N, input, shortcut) == wanted);
  }
}

TEST_CASE("the bound is reached and never exceeded", "[integer]") {
  Draw draw(3);
  for (const Values values : {Values::random, Values::largest, Values::smallest}) {
    LayerOptions o;
    o.shape = {1, 3, 3, 4, 5, 3, 3, 1, 0};
    o.max_code = 0;
    o.weights = values;
    IntLayer layer = make_layer(o, draw);
    // Align the bias with the larger side, so that the extreme input reaches the bound exactly.
    std::int64_t largest = 0;
    for (std::int64_t k = 0; k < o.shape.K; ++k) {
      std::int64_t positive = 0, negative = 0;
      std::vector<std::uint8_t> high(36), low(36);
      for (std::int64_t i = 0; i < 36; ++i) {
        const int q = layer.weights[k * 36 + i];
        (q > 0 ? positive : negative) += q;
        high[static_cast<std::size_t>(i)] = q > 0 ? 255 : 0;
        low[static_cast<std::size_t>(i)] = q < 0 ? 255 : 0;
      }
      const bool up = positive >= -negative;
      layer.bias[k] = up ? 1000 : -1000;
      const auto result = naive_layer(layer, 1, up ? high : low, {});
      largest = std::max(largest, std::abs(result[static_cast<std::size_t>(k)]));
    }
    measure_bounds(layer);
    CHECK(layer.bound == largest);
  }
}

TEST_CASE("argmax takes the lowest index among equals", "[integer]") {
  const std::vector<std::int32_t> logits = {3, 9, 9, -1, -5, -5, -7, -5};
  std::vector<std::int32_t> classes(2);
  argmax_rows(logits.data(), 2, 4, classes.data());
  CHECK(classes == std::vector<std::int32_t>{1, 0});
}
