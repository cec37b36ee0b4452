// Direct strips: rows of outputs, spare codes, edges, stores past the caches.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "quant/integer/direct.hpp"
#include "quant/integer/strip_window.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

CpuTraits any_traits(Draw& draw) {
  return {2 << 20, draw.pick({VectorPorts::two, VectorPorts::four, VectorPorts::four_halves}), 0};
}

}  // namespace

TEST_CASE("strips: a window's order has every code once", "[integer]") {
  for (const std::int64_t C : {1, 2, 3, 4, 5, 6, 7, 18, 32, 48}) {
    for (const std::int64_t kernel : {1, 2, 3, 4, 5, 7, 11}) {
      for (const std::int64_t stride : {1, 2, 4}) {
        for (const bool skips : {false, true}) {
          const ConvShape s{1, 24, 24, C, 8, kernel, kernel, stride, kernel / 2};
          const StripWindow window = make_strip_window(s, skips);
          std::multiset<std::int32_t> seen(window.codes.begin(), window.codes.end());
          seen.erase(-1);
          CHECK(std::set<std::int32_t>(seen.begin(), seen.end()).size() == seen.size());
          CHECK(static_cast<std::int64_t>(seen.size()) == s.reduction());
          CHECK(window.codes.size() == 4 * window.offsets.size());
          // Never more groups than whole kernel rows have.
          CHECK(static_cast<std::int64_t>(window.offsets.size()) <=
                kernel * ((kernel * C + 3) / 4));
        }
      }
    }
  }
  const auto groups = [](std::int64_t kernel, std::int64_t stride) {
    const ConvShape s{1, 224, 224, 3, 64, kernel, kernel, stride, kernel / 2};
    return make_strip_window(s, false).offsets.size();
  };
  CHECK(groups(3, 1) == 7);
  CHECK(groups(5, 1) == 20);
  CHECK(groups(7, 2) == 37);
  CHECK(groups(11, 4) == 91);
  CHECK(groups(3, 2) == 7);
}

TEST_CASE("strips: every row length, stride, padding and channel count", "[integer]") {
  const RestoreSettings restore;
  Draw draw(48);
  int strips = 0;
  for (std::int64_t width = 3; width <= 57; ++width) {
    set_cpu_traits(any_traits(draw));
    LayerOptions o;
    const std::int64_t kernel = draw.pick<std::int64_t>({1, 2, 3, 5});
    const std::int64_t stride = draw.between(1, 3);
    o.shape = {1,
               kernel + draw.between(0, 3),
               width * stride,
               draw.pick<std::int64_t>({1, 3, 4, 8, 21}),
               draw.pick<std::int64_t>({1, 15, 16, 17, 32, 33, 50, 64, 65, 81, 100, 128, 190}),
               kernel,
               kernel,
               stride,
               draw.between(0, 2)};
    o.max_code = draw.pick({1, 15, 255});
    if (draw.coin()) o.weight_bits = draw.pick({2, 4}), o.in_max = draw.pick({3, 15});
    o.per_channel = draw.coin();
    o.weights = draw.pick({Values::random, Values::largest, Values::smallest});
    o.zero_padding = draw.coin();
    if (draw.coin()) o.pool_kernel = o.pool_stride = o.shape.P() > 1 ? 2 : 1;
    check_direct_ran(
        check_all(o, draw.between(1, 3), draw.pick({Values::random, Values::largest}), draw));
    const DirectKernel* tiles = direct_kernel(detected_isa(), false, false);
    if (tiles == nullptr) continue;
    const auto prepared = prepare_direct(make_layer(o, draw), *tiles);
    if (prepared != nullptr && prepared->reason() == "rows of outputs") ++strips;
  }
  if (detected_isa() >= Isa::avx2) CHECK(strips > 10);
}

TEST_CASE("strips: sums in 16 bits, chunk after chunk", "[integer]") {
  const RestoreSettings restore;
  Draw draw(54);
  for (const std::int64_t C : {3, 60, 61, 64, 200}) {
    for (const std::int64_t kernel : {3, 5}) {
      LayerOptions o;
      o.shape = {1, kernel + 1, 11, C, 27, kernel, kernel, 1, 1};
      o.weight_bits = 4;
      o.in_max = o.max_code = 15;
      for (const Values values : {Values::random, Values::largest, Values::smallest}) {
        o.weights = values;
        check_direct_ran(
            check_all(o, 2, values == Values::random ? values : Values::largest, draw));
        if (detected_isa() < Isa::avx2) continue;
        set_active_isa(Isa::avx2);
        const IntLayer layer = make_layer(o, draw);
        CHECK(direct_is_narrow(layer));
        CHECK(prepare_direct(layer)->algorithm() == "direct_narrow_avx2");
      }
    }
  }
}

TEST_CASE("strips: weights of few bits make room for the 32-bit arithmetic", "[integer]") {
  Draw draw(51);
  const DirectKernel* tiles = direct_kernel(detected_isa(), false, false);
  for (const std::int32_t bits : {1, 2, 4, 8}) {
    LayerOptions o;
    o.shape = {1, 9, 14, 3, 48, 3, 3, 1, 1};
    o.weight_bits = bits;
    o.in_max = o.max_code = 3;
    o.largest_bias = 1;
    o.per_channel = true;  // some with n < 17
    check_direct_ran(check_all(o, 2, Values::random, draw));
    if (tiles == nullptr || tiles->strip == nullptr) continue;
    const bool in_rows = prepare_direct(make_layer(o, draw), *tiles)->reason() == "rows of outputs";
    if (bits <= 4) CHECK(in_rows);
  }
}

TEST_CASE("strips: kernel columns that only read padding are left out", "[integer]") {
  const RestoreSettings restore;
  Draw draw(52);
  int edges = 0;
  for (std::int64_t width = 5; width <= 40; ++width) {
    set_cpu_traits(any_traits(draw));
    LayerOptions o;
    const std::int64_t kernel = draw.pick<std::int64_t>({3, 5});
    o.shape = {1,
               kernel + draw.between(0, 2),
               width,
               draw.pick<std::int64_t>({44, 48, 64}),
               draw.pick<std::int64_t>({33, 64, 100, 130}),
               kernel,
               kernel,
               draw.between(1, 3),
               draw.between(1, kernel / 2)};
    o.zero_padding = true;
    o.per_channel = draw.coin();
    check_direct_ran(
        check_all(o, draw.between(1, 2), draw.pick({Values::random, Values::largest}), draw));
    if (make_strip_window(o.shape, true).spans.size() > 1) ++edges;
  }
  CHECK(edges > 10);
}

TEST_CASE("strips: products with padding that are left out are not counted", "[integer]") {
  if (detected_isa() < Isa::avx512vnni) INTANDEM_SKIP("this CPU has no AVX-512 VNNI");
  const RestoreSettings restore;
  set_active_isa(Isa::avx512vnni);
  Draw draw(57);
  const auto executed = [&](std::int64_t size, std::int64_t stride, bool half) {
    set_cpu_traits({1 << 20, half ? VectorPorts::four_halves : VectorPorts::two, 0});
    LayerOptions o;
    o.shape = {1, size, size, 64, 32, 3, 3, stride, 1};
    o.zero_padding = true;
    return prepare_direct(make_layer(o, draw))->executed_macs();
  };
  // Of 3·14 kernel rows and as many columns two lie in the padding, of a stride of two one of 3·7.
  CHECK(executed(14, 1, false) == 64 * 32 * 40 * 40);
  CHECK(executed(14, 2, true) == 64 * 32 * 20 * 20);
  CHECK(executed(40, 1, false) == 64 * 32 * 118 * 120);  // long rows: rows only
  // Short rows are strips only where caches keep up.
  CHECK(executed(4, 1, true) == 64 * 32 * 10 * 12);
  CHECK(executed(4, 1, false) == 64 * 32 * 12 * 12);
}

TEST_CASE("strips: codes past the caches are the same", "[integer]") {
  const RestoreSettings restore;
  if (detected_isa() < Isa::avx512vnni) INTANDEM_SKIP("this CPU has no AVX-512 VNNI");
  set_active_isa(Isa::avx512vnni);
  Draw draw(53);
  LayerOptions o;
  o.shape = {1, 200, 210, 3, 64, 3, 3, 1, 1};
  const IntLayer layer = make_layer(o, draw);
  const std::int64_t image = 200 * 210 * 3, output = 200 * 210 * 64, N = 14;  // 36 MiB
  const auto input = random_codes(N * image, 255, draw);
  const auto prepared = prepare_direct(layer);
  REQUIRE(prepared->reason() == "rows of outputs");
  TensorU8 scratch = TensorU8::zeros({std::max(prepared->scratch_bytes(N), std::int64_t{1})});
  const auto run = [&](std::int64_t count, const std::uint8_t* from, std::uint8_t* codes) {
    LayerRun args;
    args.N = count;
    args.input = from;
    args.codes = codes;
    args.scratch = reinterpret_cast<std::byte*>(scratch.data());
    prepared->run(args);
  };
  TensorU8 together({N * output}), alone({output});
  run(N, input.data(), together.data());
  for (std::int64_t n = 0; n < N; ++n) {
    run(1, input.data() + n * image, alone.data());
    CHECK(std::equal(alone.begin(), alone.end(), together.begin() + n * output));
  }
}
