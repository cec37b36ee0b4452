// Layers of one-bit weights and codes by every kernel that takes them.
#include <catch2/catch.hpp>
#include <set>

#include "core/dispatch.hpp"
#include "tests/quant/check_all.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;

TEST_CASE("binary layers: shapes, padding codes, many words, refusals", "[integer]") {
  Draw draw(49);
  std::set<std::string> ran;
  LayerOptions o;
  o.weight_bits = o.in_max = 1;
  o.largest_bias = 50;
  for (int trial = 0; trial < 40; ++trial) {
    const std::int64_t kernel = draw.pick<std::int64_t>({1, 3, 3, 5});
    o.shape = {1,
               kernel + draw.between(0, 4),
               kernel + draw.between(0, 9),
               draw.pick<std::int64_t>({1, 31, 32, 33, 64, 100}),
               draw.between(1, 70),
               kernel,
               kernel,
               draw.between(1, 2),
               draw.between(0, 2)};
    o.max_code = draw.pick({0, 1, 1, 255});
    o.with_add = o.max_code > 0 && draw.between(0, 2) == 0;
    o.per_channel = draw.coin();
    o.pool_kernel = o.pool_stride = o.max_code > 0 && draw.coin() ? 1 : 0;
    o.weights = draw.pick({Values::random, Values::largest, Values::smallest});
    ran.merge(check_all(o, draw.between(0, 3), draw.pick({Values::random, Values::largest}), draw));
  }
  // Long windows, with all bits set.
  o = {};
  o.kind = IntLayerKind::linear;
  o.weight_bits = o.in_max = 1;
  o.max_code = 0;
  for (const std::int64_t C : {7936, 7937, 9216, 20000}) {
    o.shape = {1, 1, 1, C, 17, 1, 1, 1, 0};
    for (const Values values : {Values::random, Values::largest}) {
      o.weights = values;
      ran.merge(check_all(o, 2, values, draw));
    }
  }
  if (isa_includes(detected_isa(), Isa::avx2)) CHECK(ran.count("binary_avx2") == 1);
#if defined(__x86_64__)
  if (isa_includes(detected_isa(), Isa::avx512vnni) && __builtin_cpu_supports("avx512vpopcntdq")) {
    CHECK(ran.count("binary_avx512vpopcnt") == 1);
  }
#endif
  if (!isa_includes(detected_isa(), Isa::avx2)) return;

  IntLayer layer = make_layer(o, draw);
  CHECK(prepare_exactly(layer, "binary") != nullptr);
  layer.weights[3] = 0;
  CHECK(prepare_exactly(layer, "binary") == nullptr);
  o.in_max = 3;
  CHECK(prepare_exactly(make_layer(o, draw), "binary") == nullptr);
}

TEST_CASE("one-bit layers: a stride has no say over images with one window", "[integer]") {
  Draw draw(61);
  LayerOptions o;
  o.weight_bits = o.in_max = 1;
  o.largest_bias = 50;
  for (const std::int64_t stride : {2, 3, 100, 1 << 24}) {
    for (const std::int32_t max_code : {1, 255, 0}) {
      o.max_code = max_code;
      o.pool_kernel = o.pool_stride = max_code == 1 && stride == 3 ? 1 : 0;
      o.shape = {1, 1, 1, 70, 33, 1, 1, stride, 0};
      for (const std::int64_t N : {1, 2, 7, 64}) {
        check_ran(check_all(o, N, Values::random, draw), "binary_avx2", Isa::avx2);
      }
      o.shape.pad = 1;  // the one window lies in the padding
      check_ran(check_all(o, 3, Values::random, draw), "binary_avx2", Isa::avx2);
      o.shape = {1, 1, 5, 33, 20, 1, 5, stride, 0};  // the kernel is as large as the image
      check_ran(check_all(o, 3, Values::random, draw), "binary_avx2", Isa::avx2);
    }
  }
}

TEST_CASE("one-bit products: many pixels, panels, rows, long windows", "[integer]") {
  if (!isa_includes(detected_isa(), Isa::avx2)) INTANDEM_SKIP("this CPU has no AVX2");
  Draw draw(55);
  LayerOptions o;
  o.weight_bits = o.in_max = 1;
  o.largest_bias = 50;
  struct Case {
    std::int64_t N, H, W, C, K, kernel, stride, pad;
  };
  for (const Case& c : {Case{1, 9, 260, 7, 9, 3, 1, 1},   // more pixels than accumulators at a time
                        {2, 40, 30, 12, 70, 3, 1, 1},     // tasks of one image; half a panel
                        {3, 5, 7, 128, 33, 4, 1, 1},      // 32 pairs of words
                        {1, 6, 9, 150, 128, 5, 1, 2},     // many words
                        {2, 11, 13, 33, 33, 3, 2, 1},     // surplus bits in every pixel
                        {1, 31, 31, 3, 64, 11, 4, 2},     // words of three codes
                        {5, 1, 1, 300, 190, 1, 1, 0}}) {  // images as pixels
    o.shape = {1, c.H, c.W, c.C, c.K, c.kernel, c.kernel, c.stride, c.pad};
    o.kind = o.shape.is_linear() ? IntLayerKind::linear : IntLayerKind::conv;
    for (const std::int32_t max_code : {1, 1, 0, 255}) {
      o.max_code = max_code;
      o.with_add = max_code == 255;
      o.per_channel = draw.coin();
      o.weights = draw.pick({Values::random, Values::largest, Values::smallest});
      const auto ran =
          check_all(o, c.N, draw.pick({Values::random, Values::random, Values::largest}), draw);
      CHECK(ran.count("binary_avx2") == 1);
    }
  }
  // Windows all of whose bits differ, or none: every byte of a count is as large as it gets.
  o.with_add = false;
  for (const std::int64_t C : {14 * 64, 15 * 64, 16 * 64, 8191 * 4 + 1}) {
    for (const Values values : {Values::largest, Values::smallest}) {
      o.max_code = draw.pick({0, 1});
      o.shape = {1, 1, 2, C, 33, 1, 1, 1, 0};
      o.kind = IntLayerKind::conv;
      o.weights = values;
      CHECK(check_all(o, 1, Values::largest, draw).count("binary_avx2") == 1);
    }
  }
}
