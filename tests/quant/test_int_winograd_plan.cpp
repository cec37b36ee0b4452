// What the planner makes of the exact fast convolution: its count of products, and where it takes
// it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "core/dispatch.hpp"
#include "quant/integer/plan.hpp"
#include "quant/integer/winograd/plan.hpp"
#include "quant/integer/winograd/winograd.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/quant/int_cases.hpp"
#include "tests/quant/winograd_cases.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;
using Case = WinogradCase;

TEST_CASE("winograd: mixed tiles execute what they say", "[winograd]") {
  if (!isa_includes(detected_isa(), Isa::avx2)) INTANDEM_SKIP("this CPU has no AVX2");
  const Rng rng(6);
  Case c;
  c.shape = {1, 13, 13, 4, 16, 3, 3, 1, 1};
  const auto layer = make_layer(c, rng);
  const auto prepared = prepare_winograd(layer, 4);
  REQUIRE(prepared != nullptr);
  // {4,4,4,1}: 3·7 + 3 = 24 products per row and column instead of 3·13.
  CHECK(prepared->executed_macs() == 24 * 24 * 4 * 16);
  CHECK(prepared->algorithm().rfind("winograd4_", 0) == 0);
  CHECK(prepare_winograd_s16(layer, 4) == nullptr);
  c.in_max = 16;
  const auto wide = prepare_winograd_s16(make_layer(c, rng), 4);
  REQUIRE(wide != nullptr);
  CHECK(wide->executed_macs() == prepared->executed_macs());
  CHECK(wide->algorithm().rfind("winograd4_s16_", 0) == 0);
  c.in_max = 15;
  // Five taps are 3 + 2, the latter without the product at ∞: 24 + 20 instead of 5·13.
  c.shape = {1, 13, 13, 4, 16, 5, 5, 1, 2};
  CHECK(prepare_winograd(make_layer(c, rng), 4)->executed_macs() == 44 * 44 * 4 * 16);
  c.shape = {1, 14, 14, 4, 16, 3, 3, 1, 1};
  CHECK(prepare_winograd(make_layer(c, rng), 4)->executed_macs() == 25 * 25 * 4 * 16);
  // Stride 2: 8 outputs are {3,3,2}, 7 + 7 + 5 products instead of 8·3.
  c.shape = {1, 16, 16, 4, 16, 3, 3, 2, 1};
  const auto strided = prepare_winograd(make_layer(c, rng), 3);
  CHECK(strided->executed_macs() == 19 * 19 * 4 * 16);
  CHECK(strided->algorithm().rfind("winograd3_", 0) == 0);
  CHECK(cut_axis(8, 3).rest == 2);
  CHECK(cut_axis(9, 3).rest == 3);
  CHECK(cut_axis(13, 4).rest == 1);
  CHECK(cut_axis(14, 4).rest == 2);
  CHECK(cut_axis(15, 4).rest == 4);
  CHECK(cut_axis(12, 4).rest == 4);
  CHECK(cut_axis(13, 2).rest == 2);
}

TEST_CASE("planner: the reference only where nothing else can run", "[integer]") {
  const RestoreSettings restore;
  Draw draw(53);
  for (const Isa isa : available_isas()) {
    if (!isa_includes(isa, Isa::avx2)) continue;
    set_active_isa(isa);
    for (const std::int32_t bits : {1, 2, 4, 8}) {
      for (const ConvShape& shape : {ConvShape{1, 1, 1, 2048, 128, 1, 1, 1, 0},
                                     {1, 13, 13, 96, 64, 3, 3, 1, 1},
                                     {1, 8, 8, 64, 64, 1, 1, 1, 0}}) {
        LayerOptions o;
        o.shape = shape;
        o.kind = shape.is_linear() ? IntLayerKind::linear : IntLayerKind::conv;
        o.weight_bits = bits;
        o.in_max = (1 << bits) - 1;
        const IntLayer layer = make_layer(o, draw);
        INFO(isa_name(isa) << ", " << shape.str() << ", " << bits << " bits");
        CHECK(prepare_layer(layer, "auto", 1)->algorithm() != "ref");
        CHECK(prepare_layer(layer, "auto", 16)->algorithm() != "ref");
      }
    }
  }
}
