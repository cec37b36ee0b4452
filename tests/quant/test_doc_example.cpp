// The worked example at the end of docs/quantization.md, number by number.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/normalization.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/ops_ref.hpp"
#include "quant/integer/requant.hpp"
#include "quant/lower.hpp"
#include "quant/multiplier.hpp"
#include "quant/quantizer.hpp"

using namespace intandem;

namespace {

IntLayer example_layer() {
  IntLayer layer;
  layer.name = "example";
  layer.kind = IntLayerKind::linear;
  layer.shape.C = 4;
  layer.weights = TensorS8({1, 4});
  const int codes[] = {3, -1, 1, -4};
  for (int i = 0; i < 4; ++i) layer.weights[i] = static_cast<std::int8_t>(codes[i]);
  layer.bias = TensorS32::full({1}, -8);
  layer.in_max = 15;
  return layer;
}

std::int32_t accumulate(const IntLayer& layer, const std::vector<std::uint8_t>& input) {
  std::int32_t acc = 0;
  accumulate_ref(layer.shape, input.data(), layer.weights.data(), layer.bias.data(), nullptr, &acc);
  return acc;
}

}  // namespace

TEST_CASE("doc example: codes, accumulator and bound (Q1, Q3, Q7)", "[quant][docs]") {
  const CodeRange range = weight_range(4, true);
  CHECK(range.low == -8);
  CHECK(range.high == 7);
  CHECK(max_activation_code(4) == 15);
  const float w[] = {0.40625f, -0.1875f, 0.0625f, -0.546875f};
  IntLayer layer = example_layer();
  for (int i = 0; i < 4; ++i) CHECK(encode_weight(w[i], 0.125, range, 4) == layer.weights[i]);

  const double unit = 1.25 * 0.25 * 0.125;
  CHECK(unit == 0.0390625);
  CHECK(std::floor(-0.3 / unit + 0.5) == -8.0);
  CHECK(accumulate(layer, {7, 2, 15, 1}) == 22);
  CHECK(22 * unit == 0.859375);
  measure_bounds(layer);
  CHECK(layer.bound == 83);
}

TEST_CASE("doc example: multiplier and rounding (Q4, Q5)", "[quant][docs]") {
  const double scale = 0.0390625 / 0.3;
  const Multiplier fine = make_multiplier(scale, 15, "example");
  CHECK(fine == Multiplier{17067, 17});
  CHECK(22 * fine.m == 375474);
  CHECK(requantize(22, fine, 15) == 3);
  const Multiplier coarse = make_multiplier(scale, 1, "example");
  CHECK(coarse == Multiplier{1, 3});
  CHECK(requantize(22, coarse, 15) == 3);
  CHECK(requantize(4, coarse, 15) == 1);
  CHECK(requantize(12, coarse, 15) == 2);
  CHECK(requantize(-4, coarse, 15) == 0);
  CHECK(round_shift(-4, 3) == 0);
  CHECK(round_shift(-12, 3) == -1);
}

TEST_CASE("doc example: the largest sums of Q5 and Q6 fit, and n = 46 is the last useful shift",
          "[quant][docs]") {
  constexpr std::int64_t kLargest = std::int64_t{2147483647} * 32767;
  static_assert(kLargest < (std::int64_t{1} << 46));
  static_assert(kLargest + 255 * std::int64_t{2147483647} + (std::int64_t{1} << 45) <
                (std::int64_t{1} << 47));
  CHECK(requantize(2147483647, {32767, 46}, 255) == 1);
  CHECK(round_shift(kLargest, 47) == 0);
  CHECK(requantize(2147483647, {32767, 1}, 255) == 255);
  CHECK(requantize(-2147483647, {32767, 1}, 255) == 0);
}

TEST_CASE("doc example: residual (Q6)", "[quant][docs]") {
  const auto m2 = static_cast<std::int32_t>(std::floor(std::ldexp(0.15 / 0.3, 17) + 0.5));
  CHECK(m2 == 65536);
  CHECK(375474 + 5 * 65536 + 65536 == 768690);
  CHECK(requantize_add(22, {17067, 17}, 5, m2, 15) == 5);
}

TEST_CASE("doc example: zero point in the bias and as padding (Q8)", "[quant][docs]") {
  IntLayer layer = example_layer();
  layer.pad_code = TensorU8::full({layer.shape.C}, 73);
  fold_zero_point(layer);
  CHECK(layer.bias[0] == 65);
  CHECK(accumulate(layer, {80, 75, 73, 70}) == 23);
  CHECK(3 * 7 - 1 * 2 + 1 * 0 - 4 * -3 - 8 == 23);
}
