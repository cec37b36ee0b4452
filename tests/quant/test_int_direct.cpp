// Every fast algorithm on every instruction set of this machine against the definition, between
// guard bytes, over random shapes and extreme values.
#include <catch2/catch.hpp>
#include <set>

#include "core/dispatch.hpp"
#include "quant/integer/amx/driver.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/plan.hpp"
#include "quant/integer/requant/block.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

LayerOptions random_options(Draw& draw) {
  LayerOptions o;
  o.kind = draw.pick({IntLayerKind::conv, IntLayerKind::conv, IntLayerKind::conv,
                      IntLayerKind::linear, IntLayerKind::avg_pool});
  ConvShape& s = o.shape;
  s.C = draw.pick<std::int64_t>({1, 2, 3, 4, 5, 8, 12, 16, 33, 64});
  s.K = draw.pick<std::int64_t>({1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65});
  if (o.kind == IntLayerKind::linear) {
    s.C = draw.between(1, 200);
  } else {
    s.R = draw.pick<std::int64_t>({1, 2, 3, 3, 5});
    s.S = o.kind == IntLayerKind::conv ? draw.pick<std::int64_t>({1, 3, 3, 4, 5}) : s.R;
    s.H = s.R + draw.between(0, 6);
    s.W = s.S + draw.between(0, 6);
    s.stride = draw.pick<std::int64_t>({1, 1, 1, 2, 3});
    s.pad = o.kind == IntLayerKind::conv ? draw.between(0, 3) : 0;
  }
  if (o.kind == IntLayerKind::avg_pool) s.K = s.C;
  o.weight_bits = static_cast<std::int32_t>(draw.between(1, 8));
  o.in_max = draw.pick({1, 3, 7, 15, 63, 255});
  o.max_code = draw.pick({0, 1, 3, 15, 255});
  o.per_channel = draw.coin();
  o.weights = draw.pick({Values::random, Values::random, Values::largest, Values::smallest});
  if (o.max_code > 0) {
    o.with_add = draw.between(0, 3) == 0;
    o.pool_kernel = draw.coin() ? draw.between(0, std::min<std::int64_t>({3, s.P(), s.Q()})) : 0;
    o.pool_stride = o.pool_kernel > 0 ? draw.between(1, 2) : 0;
  }
  return o;
}

}  // namespace

TEST_CASE("every algorithm equals the definition on random layers", "[integer]") {
  Draw draw(41);
  std::set<std::string> ran;
  for (int trial = 0; trial < 100; ++trial) {
    const LayerOptions o = random_options(draw);
    const Values values = draw.pick({Values::random, Values::random, Values::largest});
    ran.merge(check_all(o, draw.pick<std::int64_t>({0, 1, 1, 2, 3}), values, draw));
  }
  CHECK(ran.count("ref") == 1);
  if (isa_includes(detected_isa(), Isa::avx2)) {
    CHECK(ran.count("direct_avx2") + ran.count("direct_linear_avx2") == 2);
    CHECK(ran.count("direct_narrow_avx2") == 1);
  }
  if (isa_includes(detected_isa(), Isa::avx512vnni)) CHECK(ran.count("direct_avx512vnni") == 1);
  if (isa_includes(detected_isa(), Isa::amx)) CHECK(ran.count("direct_amx") == 1);
}

TEST_CASE("the largest codes do not saturate", "[integer]") {
  Draw draw(42);
  for (const Values weights : {Values::largest, Values::smallest}) {
    for (const std::int32_t in_max : {15, 255}) {
      for (const std::int32_t bits : {4, 7, 8}) {
        LayerOptions o;
        o.shape = {1, 4, 4, 64, 20, 3, 3, 1, 1};
        o.weight_bits = bits;
        o.in_max = in_max;
        o.max_code = 0;
        o.weights = weights;
        const auto ran = check_all(o, 1, Values::largest, draw);
        check_direct_ran(ran);
        if (narrow_chunk(make_layer(o, draw)) >= 4) check_ran(ran, "direct_narrow_avx2", Isa::avx2);
      }
    }
  }
}

TEST_CASE("first layers: few channels, large kernels, strides", "[integer]") {
  Draw draw(43);
  for (const std::int64_t C : {1, 3}) {
    for (const auto& [kernel, stride, pad] :
         {std::tuple{11, 4, 2}, {7, 2, 3}, {5, 1, 2}, {3, 1, 1}, {3, 2, 0}}) {
      LayerOptions o;
      o.shape = {1, 23, 21, C, 24, kernel, kernel, stride, pad};
      check_direct_ran(check_all(o, 2, Values::random, draw));
    }
  }
}

TEST_CASE("tile registers: every height, both sources, odd tiles, blocks and tasks", "[integer]") {
  if (!isa_includes(detected_isa(), Isa::amx)) INTANDEM_SKIP("this CPU has no AMX");
  const RestoreSettings restore;
  set_active_isa(Isa::amx);
  Draw draw(50);
  std::set<std::string> reasons;
  for (std::int64_t width = 1; width <= 40; ++width) {
    LayerOptions o;
    const std::int64_t kernel = draw.pick<std::int64_t>({1, 2, 3, 5});
    o.shape = {1,
               kernel + draw.between(0, 5),
               kernel - 1 + width,
               draw.pick<std::int64_t>({3, 32, 63, 64, 65, 96, 128}),
               draw.pick<std::int64_t>({1, 16, 17, 32, 48, 96, 130}),
               kernel,
               kernel,
               draw.between(1, 2),
               draw.between(0, 2)};
    o.max_code = draw.pick({0, 15, 255});
    o.with_add = o.max_code > 0 && draw.coin();
    const IntLayer layer = make_layer(o, draw);
    const ConvShape& s = o.shape;
    const std::int64_t N = draw.between(1, 3);
    const auto input = random_codes(N * s.H * s.W * s.C, o.in_max, draw);
    const auto shortcut = random_codes(N * s.P() * s.Q() * s.K, 255, draw);
    const auto wanted = naive_layer(layer, N, input, shortcut);
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      const auto prepared = prepare_direct_amx(layer);
      REQUIRE(prepared != nullptr);
      reasons.insert(prepared->reason());
      INFO(s.str() << ", batch " << N << ", " << threads << " threads");
      CHECK(run_guarded(*prepared, layer, N, input, shortcut) == wanted);
    }
  }
  CHECK(reasons.size() == 3);
}

TEST_CASE("tile registers: images beyond the second-level cache", "[integer]") {
  if (!isa_includes(detected_isa(), Isa::amx)) INTANDEM_SKIP("this CPU has no AMX");
  const RestoreSettings restore;
  Draw draw(54);
  for (const ConvShape& shape : {ConvShape{1, 130, 131, 64, 32, 3, 3, 1, 1},
                                 {1, 96, 90, 128, 48, 3, 3, 2, 1},
                                 {1, 420, 419, 6, 40, 5, 5, 2, 2},
                                 {1, 70, 77, 200, 16, 3, 3, 1, 1}}) {
    LayerOptions o;
    o.shape = shape;
    const IntLayer layer = make_layer(o, draw);
    const auto input = random_codes(2 * shape.H * shape.W * shape.C, o.in_max, draw);
    REQUIRE(input.size() > std::size_t{2} << 20);
    set_active_isa(Isa::avx512vnni);
    const auto wanted = run_guarded(*prepare_direct_tiles(layer), layer, 2, input, {});
    set_active_isa(Isa::amx);
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      INFO(shape.str() << ", " << threads << " threads");
      CHECK(run_guarded(*prepare_direct_amx(layer), layer, 2, input, {}) == wanted);
    }
  }
}

TEST_CASE("fully connected layers at every batch up to the tile and beyond", "[integer]") {
  Draw draw(44);
  for (std::int64_t N = 1; N <= 14; ++N) {
    LayerOptions o;
    o.kind = IntLayerKind::linear;
    o.shape = {1, 1, 1, 36 + N, 40, 1, 1, 1, 0};
    o.max_code = N % 2 == 0 ? 255 : 0;
    const auto ran = check_all(o, N, Values::random, draw);
    check_direct_ran(ran);
    check_ran(ran, "direct_linear_avx2", Isa::avx2);
  }
}

TEST_CASE("packed fully connected layers: every kind of code, extremes, tails", "[integer]") {
  Draw draw(47);
  std::set<std::string> ran;
  for (const std::int32_t bits : {1, 2, 3, 4}) {
    for (const bool odd : {false, true}) {
      for (const std::int32_t in_max : {1, 15, 127}) {
        for (const Values values : {Values::random, Values::largest}) {
          LayerOptions o;
          o.kind = IntLayerKind::linear;
          o.shape = {1, 1, 1, draw.between(1, 300), draw.between(1, 70), 1, 1, 1, 0};
          o.weight_bits = bits;
          o.odd_codes = odd;
          o.in_max = in_max;
          o.max_code = draw.pick({0, 15});
          o.weights = values;
          ran.merge(check_all(o, draw.between(1, 18), values, draw));
        }
      }
    }
  }
  if (isa_includes(detected_isa(), Isa::avx2)) {
    CHECK(ran.count("packed4_avx2") + ran.count("packed2_avx2") == 2);
  }
  if (isa_includes(detected_isa(), Isa::avx512vnni)) {
    CHECK(ran.count("packed4_avx512vnni") + ran.count("packed2_avx512vnni") == 2);
  }
}

TEST_CASE("packed weights are chosen for many outputs, not for ten classes", "[integer]") {
  const RestoreSettings restore;
  Draw draw(77);
  const auto chosen = [&](std::int64_t K) {
    LayerOptions o;
    o.kind = IntLayerKind::linear;
    o.shape.C = 512;
    o.shape.K = K;
    o.weight_bits = 4;
    o.in_max = 15;
    o.max_code = 15;
    return prepare_layer(make_layer(o, draw), "auto")->algorithm().substr(0, 6);
  };
  for (const Isa isa : available_isas()) {
    if (!isa_includes(isa, Isa::avx2) || isa == Isa::avx512) continue;
    set_active_isa(isa);
    INFO(isa_name(isa));
    CHECK(chosen(512) == "packed");
    CHECK(chosen(10) == "direct");
  }
}

TEST_CASE("layers the direct kernels cannot take go to the reference", "[integer]") {
  Draw draw(45);
  LayerOptions o;
  o.shape = {1, 355, 7, 4, 2, 350, 3, 1, 1};  // 350 kernel rows
  const IntLayer layer = make_layer(o, draw);
  const auto prepared = prepare_layer(layer, "direct");
  REQUIRE(prepared != nullptr);
  const auto ran = check_all(o, 1, Values::random, draw);
  CHECK(ran.count("ref") == 1);
  CHECK(ran.count("direct_avx512vnni") == 0);
  if (active_isa() == Isa::avx512vnni) CHECK(prepared->algorithm() == "ref");
}

TEST_CASE("vector requantization equals the normative one over all ranges", "[integer]") {
  constexpr std::int32_t kLargest = 2147483647;
  Draw draw(46);
  for (std::int32_t n = kMinShift; n <= kMaxShift; ++n) {
    for (const std::int32_t max_code : {1, 15, 255}) {
      for (const bool with_add : {false, true}) {
        constexpr std::int64_t kRows = 12;
        const std::int64_t K = draw.between(1, 40), padded = (K + 15) / 16 * 16;
        IntLayer layer;
        layer.shape.K = K;
        layer.max_code = max_code;
        layer.add = with_add ? 0 : -1;
        for (std::int64_t k = 0; k < K; ++k) {
          const auto shift = static_cast<std::int32_t>(k % 2 == 0 ? n : draw.between(1, kMaxShift));
          layer.scale.push_back({draw.pick({1, 2, 3, 16384, 32767}), shift});
          layer.add_m.push_back(draw.pick({0, 1, 12345, kLargest}));
        }
        if (!with_add) layer.add_m.clear();
        const RequantData data(layer);
        std::vector<std::int32_t> acc(static_cast<std::size_t>(kRows * padded));
        for (std::size_t i = 0; i < acc.size(); ++i) {
          const Multiplier scale =
              layer.channel_scale(std::min(static_cast<std::int64_t>(i) % padded, K - 1));
          const std::int64_t code = draw.between(-1, max_code + 1);
          const std::int64_t tie = ((2 * code - 1) << (scale.n - 1)) / scale.m;
          std::int64_t value = tie + draw.between(-1, 1);
          if (draw.between(0, 3) == 0) value = draw.pick({-kLargest, -1, 0, 1, kLargest});
          value = std::clamp<std::int64_t>(value, -kLargest, kLargest);
          acc[i] = static_cast<std::int32_t>(value);
        }
        const auto shortcut = random_codes(kRows * K, 255, draw);
        for (const Isa isa : available_isas()) {
          Guarded<std::uint8_t> codes(kRows * K);
          requant_function(isa)({acc.data(), with_add ? shortcut.data() : nullptr, codes.data(),
                                 kRows, K, padded, K, data.from(0)});
          bool equal = codes.intact();
          for (std::int64_t i = 0; i < kRows * K; ++i) {
            const std::int64_t k = i % K;
            const std::int32_t a = acc[static_cast<std::size_t>(i / K * padded + k)];
            const auto wanted =
                with_add ? requantize_add(a, layer.channel_scale(k),
                                          shortcut[static_cast<std::size_t>(i)],
                                          layer.add_m[static_cast<std::size_t>(k)], max_code)
                         : requantize(a, layer.channel_scale(k), max_code);
            equal = equal && codes.data()[i] == wanted;
          }
          INFO("n " << n << ", " << isa_name(isa) << (with_add ? ", shortcut" : ""));
          CHECK(equal);
        }
      }
    }
  }
}

TEST_CASE("layers lifted to multipliers of 32-bit arithmetic have the same codes", "[integer]") {
  Draw draw(52);
  int lifted_layers = 0;
  for (int trial = 0; trial < 60; ++trial) {
    LayerOptions o;
    o.shape = {1, 5, 6, draw.between(1, 9), draw.between(1, 20), 3, 3, 1, 1};
    o.weight_bits = static_cast<std::int32_t>(draw.between(1, 5));
    o.in_max = draw.pick({1, 3, 15});
    o.max_code = draw.pick({1, 3, 15, 255});
    o.per_channel = draw.coin();
    o.largest_bias = 20;
    const IntLayer layer = make_layer(o, draw);
    const IntLayer lifted = lift_scales(layer);
    const bool was_quick = RequantData(layer).from(0).quick;
    if (!was_quick && RequantData(lifted).from(0).quick) ++lifted_layers;
    const auto input = random_codes(2 * 5 * 6 * o.shape.C, o.in_max, draw);
    INFO("W" << o.weight_bits << ", codes to " << o.in_max << " and " << o.max_code);
    CHECK(naive_layer(lifted, 2, input, {}) == naive_layer(layer, 2, input, {}));
  }
  CHECK(lifted_layers > 10);
  LayerOptions o;
  o.shape = {1, 5, 6, 3, 8, 3, 3, 1, 1};
  o.max_code = 0;
  const IntLayer last = make_layer(o, draw);
  const IntLayer same = lift_scales(last);
  CHECK(std::equal(last.weights.begin(), last.weights.end(), same.weights.begin()));
}
