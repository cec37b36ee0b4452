// The exact fast convolution refuses every layer that would not be exact.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "quant/integer/winograd/plan.hpp"
#include "tests/quant/winograd_cases.hpp"

using namespace intandem;
using namespace intandem::testing;
using Case = WinogradCase;
using Operands = WinogradOperands;

TEST_CASE("winograd: layers that would not be exact are refused", "[winograd]") {
  const Rng rng(2);
  WinogradPlan plan;
  std::string why;
  Case c;
  c.shape = {1, 8, 8, 8, 16, 3, 3, 1, 1};
  c.pattern = Case::largest;
  for (const int tile : {4, 2}) {
    c.weight_max = 14;
    CHECK(plan_winograd(make_layer(c, rng), tile, Operands::u8_s8, plan, why));
    CHECK(plan.largest_weight == 126);
    c.weight_max = 15;
    CHECK_FALSE(plan_winograd(make_layer(c, rng), tile, Operands::u8_s8, plan, why));
    CHECK(why.find("transformed weight 135") != std::string::npos);
    // The actual weights decide, not the bit-width: one tap of 127 alone is admissible.
    IntLayer sparse = make_layer(c, rng);
    std::fill(sparse.weights.begin(), sparse.weights.end(), std::int8_t{0});
    sparse.weights[5] = 127;
    CHECK(plan_winograd(sparse, tile, Operands::u8_s8, plan, why));
    sparse.weights[5 + c.shape.C] = 1;
    CHECK_FALSE(plan_winograd(sparse, tile, Operands::u8_s8, plan, why));
  }
  SECTION("five taps: every piece obeys the same limits") {
    c.shape = {1, 8, 8, 8, 16, 5, 5, 1, 2};
    for (const int tile : {4, 2}) {
      c.weight_max = 14;
      CHECK(plan_winograd(make_layer(c, rng), tile, Operands::u8_s8, plan, why));
      CHECK(plan.largest_weight == 126);
      c.weight_max = 15;
      CHECK_FALSE(plan_winograd(make_layer(c, rng), tile, Operands::u8_s8, plan, why));
      c.weight_max = 7;
      CHECK(plan_winograd(make_layer(c, rng), tile, Operands::u8_s8_pairs, plan, why));
    }
    c.in_max = 16;
    CHECK_FALSE(plan_winograd(make_layer(c, rng), 4, Operands::u8_s8, plan, why));
    c.in_max = 15;
    IntLayer layer = make_layer(c, rng);
    layer.bias[2] = (1 << 27) - 7 * 15 * 200 - 1;
    CHECK(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    ++layer.bias[2];
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
  }
  SECTION("pairs of products in 16 bits") {
    c.weight_max = 7;
    CHECK(plan_winograd(make_layer(c, rng), 4, Operands::u8_s8_pairs, plan, why));
    c.weight_max = 8;
    CHECK(plan_winograd(make_layer(c, rng), 4, Operands::u8_s8, plan, why));
    CHECK_FALSE(plan_winograd(make_layer(c, rng), 4, Operands::u8_s8_pairs, plan, why));
  }
  SECTION("padding code above in_max") {
    c.weight_max = 7;
    IntLayer layer = make_layer(c, rng);
    layer.pad_code[3] = 16;
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    layer.shape.pad = 0;
    CHECK(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
  }
  SECTION("accumulators whose multiple leaves 32 bits") {
    c.weight_max = 7;
    IntLayer layer = make_layer(c, rng);
    layer.bias[2] = (1 << 27) - 7 * 15 * 72 - 1;
    CHECK(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    ++layer.bias[2];
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    CHECK(plan_winograd(layer, 2, Operands::u8_s8, plan, why));
  }
  SECTION("other shapes") {
    c.weight_max = 7;
    IntLayer layer = make_layer(c, rng);
    layer.shape.stride = 2;
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    CHECK(plan_winograd(layer, 3, Operands::u8_s8, plan, why));
    layer.shape.stride = 3;
    CHECK_FALSE(plan_winograd(layer, 3, Operands::u8_s8, plan, why));
    layer.shape.stride = 1;
    CHECK_FALSE(plan_winograd(layer, 3, Operands::u8_s8, plan, why));
    layer.shape.R = 5;
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
    layer.shape.R = 3;
    layer.kind = IntLayerKind::linear;
    CHECK_FALSE(plan_winograd(layer, 4, Operands::u8_s8, plan, why));
  }
}
