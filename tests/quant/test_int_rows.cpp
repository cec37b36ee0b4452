// Direct kernels for whole rows of outputs.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "core/dispatch.hpp"
#include "quant/integer/direct/direct.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;

TEST_CASE("rows of outputs: every row length, stride, padding and channel count", "[integer]") {
  const RestoreSettings restore;
  Draw draw(48);
  int rows = 0;
  for (std::int64_t width = 3; width <= 57; ++width) {
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
    const DirectKernel* direct = direct_kernel(detected_isa(), false, false);
    if (direct == nullptr) continue;
    if (prepare_direct_rows(make_layer(o, draw), *direct, direct->width) != nullptr) ++rows;
  }
  if (isa_includes(detected_isa(), Isa::avx2)) CHECK(rows > 10);
}

TEST_CASE("rows of outputs: sums in 16 bits, chunk after chunk", "[integer]") {
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
        if (!isa_includes(detected_isa(), Isa::avx2)) continue;
        set_active_isa(Isa::avx2);
        const IntLayer layer = make_layer(o, draw);
        CHECK(direct_is_narrow(layer));
        CHECK(prepare_direct_rows(layer, 16)->algorithm() == "direct_narrow_avx2");
      }
    }
  }
}

TEST_CASE("rows of outputs: weights of few bits make room for the 32-bit arithmetic", "[integer]") {
  Draw draw(51);
  const DirectKernel* kernel = direct_kernel(detected_isa(), false, false);
  for (const std::int32_t bits : {1, 2, 4, 8}) {
    LayerOptions o;
    o.shape = {1, 9, 14, 3, 48, 3, 3, 1, 1};
    o.weight_bits = bits;
    o.in_max = o.max_code = 3;
    o.largest_bias = 1;
    o.per_channel = true;  // some with n < 17
    check_direct_ran(check_all(o, 2, Values::random, draw));
    if (kernel == nullptr || bits > 4) continue;
    CHECK(prepare_direct_rows(make_layer(o, draw), *kernel, kernel->width) != nullptr);
  }
}

TEST_CASE("rows of outputs: products with padding that are left out are not counted", "[integer]") {
  if (!isa_includes(detected_isa(), Isa::avx512vnni)) INTANDEM_SKIP("this CPU has no AVX-512 VNNI");
  const RestoreSettings restore;
  set_active_isa(Isa::avx512vnni);
  Draw draw(57);
  const auto executed = [&](std::int64_t size, std::int64_t stride) {
    LayerOptions o;
    o.shape = {1, size, size, 64, 32, 3, 3, stride, 1};
    o.zero_padding = true;
    return prepare_direct_rows(make_layer(o, draw), 32)->executed_macs();
  };
  // Of 3·14 kernel rows two lie in the padding, of a stride of two one of 3·7.
  CHECK(executed(14, 1) == 64 * 32 * 40 * 42);
  CHECK(executed(14, 2) == 64 * 32 * 20 * 21);
}
