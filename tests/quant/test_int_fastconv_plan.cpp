// What the planner makes of the exact fast convolution: its count of products, and where it takes
// it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "quant/integer/fastconv.hpp"
#include "quant/integer/fastconv_plan.hpp"
#include "quant/integer/plan.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/quant/fastconv_cases.hpp"
#include "tests/quant/int_cases.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;
using Case = FastConvCase;

TEST_CASE("fast convolution: mixed tiles execute what they say", "[fastconv]") {
  const Rng rng(6);
  Case c;
  c.shape = {1, 13, 13, 4, 16, 3, 3, 1, 1};
  const auto layer = make_layer(c, rng);
  const auto prepared = prepare_winograd4(layer);
  REQUIRE(prepared != nullptr);
  // {4,4,4,1}: 3·7 + 3 = 24 products per row and column instead of 3·13.
  CHECK(prepared->executed_macs() == 24 * 24 * 4 * 16);
  CHECK(prepared->algorithm().rfind("winograd4_", 0) == 0);
  CHECK(prepare_winograd4_s16(layer) == nullptr);
  c.in_max = 16;
  const auto wide = prepare_winograd4_s16(make_layer(c, rng));
  REQUIRE(wide != nullptr);
  CHECK(wide->executed_macs() == prepared->executed_macs());
  CHECK(wide->algorithm().rfind("winograd4_s16_", 0) == 0);
  c.in_max = 15;
  // Five taps are 3 + 2, the latter without the product at ∞: 24 + 20 instead of 5·13.
  c.shape = {1, 13, 13, 4, 16, 5, 5, 1, 2};
  CHECK(prepare_winograd4(make_layer(c, rng))->executed_macs() == 44 * 44 * 4 * 16);
  // Without tiles of a single row or column full ones have joined positions; five taps add up in
  // them.
  c.shape = {1, 12, 12, 4, 16, 3, 3, 1, 1};
  CHECK(prepare_winograd4(make_layer(c, rng))->executed_macs() == 9 * 46 * 4 * 16);
  c.shape = {1, 14, 14, 4, 16, 3, 3, 1, 1};
  CHECK(prepare_winograd4(make_layer(c, rng))->executed_macs() == (9 * 46 + 6 * 28 + 16) * 4 * 16);
  c.shape = {1, 12, 12, 4, 16, 5, 5, 1, 2};
  CHECK(prepare_winograd4(make_layer(c, rng))->executed_macs() == 9 * (169 - 4 * 3) * 4 * 16);
  // Stride 2: 8 outputs are {3,3,2}, 7 + 7 + 5 products instead of 8·3.
  c.shape = {1, 16, 16, 4, 16, 3, 3, 2, 1};
  const auto strided = prepare_winograd3(make_layer(c, rng));
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

TEST_CASE("fast convolution: the planner takes it where it pays", "[fastconv]") {
  RestoreSettings restore;
  const Rng rng(8);
  const auto chosen = [&](const ConvShape& shape, const char* algorithm, std::int32_t weight_max) {
    Case c;
    c.shape = shape;
    c.weight_max = weight_max;
    return prepare_layer(make_layer(c, rng), algorithm)->algorithm().substr(0, 9);
  };
  const auto runs_wide = [&](const ConvShape& shape, std::int32_t in_max, std::int32_t weight_max) {
    Case c;
    c.shape = shape;
    c.in_max = in_max;
    c.weight_max = weight_max;
    return prepare_layer(make_layer(c, rng), "auto")->algorithm().find("_s16_") !=
           std::string::npos;
  };
  set_cpu_traits({2 << 20, VectorPorts::two, 0});
  for (const Isa isa : available_isas()) {
    if (isa == Isa::ref) continue;
    set_active_isa(isa);
    INFO(isa_name(isa));
    // AMX multiplies directly faster than anything does after transforms.
    const std::string best = isa >= Isa::amx ? "direct_am" : "winograd4";
    CHECK(chosen({1, 56, 56, 128, 128, 3, 3, 1, 1}, "auto", 7) == best);
    CHECK(chosen({1, 56, 56, 128, 128, 3, 3, 1, 1}, "winograd2", 7) == "winograd2");
    // Where operands of 8 bits do not do, those of 16 are left: half the products per instruction
    // on VNNI, and the rate of the direct algorithm on AVX2, unless its sums fit 16 bits.
    for (const auto& [in_max, weight_max] : {std::pair{15, 100}, {255, 7}, {31, 60}, {255, 127}}) {
      CHECK(runs_wide({1, 56, 56, 128, 128, 3, 3, 1, 1}, in_max, weight_max) == (isa < Isa::amx));
      CHECK(runs_wide({1, 13, 13, 384, 256, 3, 3, 1, 1}, in_max, weight_max) ==
            (isa < Isa::avx512vnni));
    }
    CHECK_FALSE(runs_wide({1, 56, 56, 128, 128, 3, 3, 1, 1}, 15, 7));
    CHECK_FALSE(runs_wide({1, 32, 32, 3, 64, 3, 3, 1, 1}, 255, 127));
    CHECK(chosen({1, 56, 56, 128, 128, 3, 3, 1, 1}, "winograd4", 100).substr(0, 6) == "direct");
    CHECK(chosen({1, 32, 32, 16, 16, 3, 3, 1, 1}, "auto", 7).substr(0, 6) == "direct");
    CHECK(chosen({1, 27, 27, 64, 192, 5, 5, 1, 2}, "winograd4", 7) == "winograd4");
    // Stride 2: low bits where products have 8 of them, 8 bits where those of 16 cost no more.
    const ConvShape strided = {1, 28, 28, 256, 256, 3, 3, 2, 1};
    CHECK((chosen(strided, "auto", 7) == "winograd3") == (isa == Isa::avx512vnni));
    CHECK(runs_wide(strided, 255, 127) == (isa < Isa::avx512vnni));
    if (isa >= Isa::amx) {
      // Small windows leave tiles empty, which counts where few channels share a gathered window.
      CHECK(chosen({1, 32, 32, 3, 64, 3, 3, 1, 1}, "direct", 100) == "direct_av");
      CHECK(chosen({1, 224, 224, 3, 64, 3, 3, 1, 1}, "direct", 100) == "direct_av");
      CHECK(chosen({1, 224, 224, 3, 64, 11, 11, 4, 2}, "direct", 100) == "direct_am");
      CHECK(chosen({1, 32, 32, 64, 64, 1, 1, 1, 0}, "direct", 100) == "direct_am");
    }
    // What is quickest on this instruction set, measured (docs/kernels.md): stored weights are no
    // gift.
    if (isa != Isa::avx512vnni) continue;
    CHECK(chosen({1, 13, 13, 256, 256, 3, 3, 1, 1}, "auto", 7) == "winograd4");
    CHECK(chosen({1, 8, 8, 128, 128, 3, 3, 1, 1}, "auto", 7) == "winograd2");
    CHECK(chosen({1, 112, 112, 64, 128, 3, 3, 1, 1}, "auto", 127).substr(0, 6) == "direct");
  }
}

TEST_CASE("planner: weights that come from memory count", "[fastconv]") {
  const RestoreSettings restore;
  const Rng rng(9);
  Case c;
  c.shape = {1, 13, 13, 192, 384, 3, 3, 1, 1};
  const IntLayer layer = make_layer(c, rng);
  set_cpu_traits({2 << 20, VectorPorts::two, 0});
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    INFO(isa_name(isa));
    const auto cached = prepare_layer(layer, "auto"), cold = prepare_layer(layer, "auto", 1, true);
    const auto batch = prepare_layer(layer, "auto", 256, true);
    CHECK(cold->packed_bytes() <= cached->packed_bytes());
    CHECK(cold->cost(1) >= cached->cost(1));
    CHECK(batch->algorithm() == cached->algorithm());
    if (isa == Isa::avx512vnni) {
      CHECK(cached->algorithm() == "winograd4_avx512vnni");
      CHECK(cold->algorithm() == "winograd2_avx512vnni");
    }
  }
}

TEST_CASE("planner: transforms are cheap where vectors have four ports", "[fastconv]") {
  if (detected_isa() < Isa::avx512vnni) INTANDEM_SKIP("this CPU has no AVX-512 VNNI");
  const RestoreSettings restore;
  set_active_isa(Isa::avx512vnni);
  const Rng rng(10);
  const auto plan = [&](const ConvShape& shape, std::int32_t in_max, std::int32_t weight_max,
                        std::int64_t batch = 1) {
    Case c;
    c.shape = shape;
    c.in_max = in_max;
    c.weight_max = weight_max;
    return prepare_layer(make_layer(c, rng), "auto", batch)->algorithm();
  };
  for (const bool four : {false, true}) {
    set_cpu_traits({1 << 20, four ? VectorPorts::four : VectorPorts::two, 0});
    const std::string wide = four ? "winograd4_s16_avx512vnni" : "direct_avx512vnni";
    CHECK(plan({1, 112, 112, 64, 128, 3, 3, 1, 1}, 255, 127) == wide);
    CHECK(plan({1, 13, 13, 384, 384, 3, 3, 1, 1}, 255, 127) == "direct_avx512vnni");
    const std::string narrow = four ? "winograd4_avx512vnni" : "direct_avx512vnni";
    CHECK(plan({1, 32, 32, 32, 32, 3, 3, 1, 1}, 15, 7) == narrow);
    // One image of four tiles does not cover the way of its weights from beyond the cache.
    const ConvShape small = {1, 4, 4, 512, 512, 3, 3, 1, 1};
    if (four) CHECK(plan(small, 15, 7, 1) == "direct_avx512vnni");
    CHECK(plan(small, 15, 7, 16).substr(0, 8) == "winograd");
  }
  // Halves multiply at half the rate, which that way does cover.
  set_cpu_traits({1 << 20, VectorPorts::four_halves, 0});
  CHECK(plan({1, 4, 4, 512, 512, 3, 3, 1, 1}, 15, 7) == "winograd2_avx512vnni");
  CHECK(plan({1, 112, 112, 64, 128, 3, 3, 1, 1}, 255, 127) == "winograd4_s16_avx512vnni");
  CHECK(plan({1, 13, 13, 384, 384, 3, 3, 1, 1}, 255, 127) == "direct_avx512vnni");
}

TEST_CASE("planner: the reference only where nothing else can run", "[integer]") {
  const RestoreSettings restore;
  Draw draw(53);
  for (const Isa isa : available_isas()) {
    if (isa < Isa::avx2) continue;
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
        CHECK(prepare_layer(layer, "auto", 1, true)->algorithm() != "ref");
        CHECK(prepare_layer(layer, "auto", 16, false)->algorithm() != "ref");
      }
    }
  }
}
