// Layers of one-bit weights and codes by every kernel that takes them.
#include <catch2/catch.hpp>
#include <set>

#include "tests/quant/check_all.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

bool can_look_up() {
#if defined(__x86_64__)
  return detected_isa() >= Isa::avx512vnni && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("gfni");
#else
  return false;
#endif
}

}  // namespace

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
  // More than 31 blocks of eight words, with all bits set.
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
  CHECK(ran.count("binary_ref") == 1);
  if (detected_isa() >= Isa::avx2) {
    CHECK(ran.count("binary_avx2") == 1);
    CHECK(ran.count("nibble_avx2") == 1);
  }
  if (detected_isa() >= Isa::avx512) CHECK(ran.count("binary_avx512") == 1);
#if defined(__x86_64__)
  if (detected_isa() >= Isa::avx512vnni && __builtin_cpu_supports("avx512vpopcntdq")) {
    CHECK(ran.count("binary_avx512vpopcnt") == 1);
  }
  if (can_look_up()) CHECK(ran.count("binary_avx512vbmi") == 1);
#endif

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
      for (const std::int64_t N : {1, 2, 7, 64}) check_all(o, N, Values::random, draw);
      o.shape.pad = 1;  // the one window lies in the padding
      check_all(o, 3, Values::random, draw);
      o.shape = {1, 1, 5, 33, 20, 1, 5, stride, 0};  // the kernel is as large as the image
      check_all(o, 3, Values::random, draw);
    }
  }
}

TEST_CASE("one-bit products by nibbles: spans, panels, rows, long windows", "[integer]") {
  if (detected_isa() < Isa::avx2) INTANDEM_SKIP("this CPU has no AVX2");
  const RestoreSettings restore;
  Draw draw(55);
  LayerOptions o;
  o.weight_bits = o.in_max = 1;
  o.largest_bias = 50;
  struct Case {
    std::int64_t N, H, W, C, K, kernel, stride, pad;
  };
  for (const Case& c : {Case{1, 9, 60, 7, 9, 3, 1, 1},    // more pixels than accumulators at a time
                        {2, 40, 30, 12, 70, 3, 1, 1},     // tasks of one image; half a panel
                        {3, 5, 7, 84, 97, 3, 1, 1},       // spans of 63 nibbles exactly
                        {1, 6, 9, 150, 128, 5, 1, 2},     // many spans
                        {2, 11, 13, 33, 33, 3, 2, 1},     // three surplus codes a pixel
                        {1, 31, 31, 3, 64, 11, 4, 2},     // nibbles of three codes
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
      CHECK(ran.count("nibble_avx2") == 1);
    }
  }
  set_active_isa(Isa::avx2);
  // The longest windows, all of whose codes differ or none; beyond them it is for others.
  o.kind = IntLayerKind::conv;
  o.with_add = false;
  o.max_code = 1;
  for (const Values values : {Values::largest, Values::smallest}) {
    o.shape = {1, 1, 2, 8191 * 4, 33, 1, 1, 1, 0};
    o.weights = values;
    CHECK(check_all(o, 1, Values::largest, draw).count("nibble_avx2") == 1);
  }
  o.shape.C += 1;
  CHECK(prepare_exactly(make_layer(o, draw), "nibble") == nullptr);
  // The planner's choice: convolutions; a linear layer reads twice the bytes.
  const auto chosen = [&](const ConvShape& shape) {
    o.shape = shape;
    o.kind = shape.is_linear() ? IntLayerKind::linear : IntLayerKind::conv;
    return prepare_layer(make_layer(o, draw), "auto")->algorithm();
  };
  CHECK(chosen({1, 32, 32, 64, 64, 3, 3, 1, 1}) == "nibble_avx2");
  CHECK(chosen({1, 59, 59, 3, 64, 11, 11, 4, 0}) == "nibble_avx2");
  CHECK(chosen({1, 32, 32, 3, 64, 3, 3, 1, 1}) == "nibble_avx2");
  CHECK(chosen({1, 1, 1, 2048, 512, 1, 1, 1, 0}) == "binary_avx2");
}

TEST_CASE("one-bit products by table: rows, images, panels, turns, bounds", "[integer]") {
  if (!can_look_up()) INTANDEM_SKIP("this CPU has no AVX512_VBMI");
  const RestoreSettings restore;
  Draw draw(50);
  LayerOptions o;
  o.weight_bits = o.in_max = 1;
  o.largest_bias = 50;
  struct Case {
    std::int64_t N, H, W, C, K, kernel, pad;
  };
  for (const Case& c : {Case{1, 40, 100, 7, 9, 3, 1},  // several tasks of one image
                        {3, 37, 63, 12, 70, 3, 1},     // more than one panel, tasks across images
                        {9, 5, 4, 20, 24, 3, 1},       // many images of one task
                        {2, 6, 1200, 6, 8, 3, 1},      // rows longer than a task
                        {1, 9, 17, 150, 16, 3, 1},     // a last turn of four sextets
                        {2, 7, 9, 400, 3, 3, 2},       // carries of 128, pads of 2
                        {2, 11, 10, 48, 64, 5, 2},
                        {3, 4, 70, 5, 5, 1, 0},
                        {2, 9, 8, 64, 66, 3, 0}}) {
    o.shape = {1, c.H, c.W, c.C, c.K, c.kernel, c.kernel, 1, c.pad};
    for (const std::int32_t max_code : {1, 1, 0, 255}) {
      o.max_code = max_code;
      o.with_add = max_code == 255;
      o.per_channel = draw.coin();
      o.weights = draw.pick({Values::random, Values::largest, Values::smallest});
      const auto ran =
          check_all(o, c.N, draw.pick({Values::random, Values::random, Values::largest}), draw);
      CHECK(ran.count("binary_avx512vbmi") == 1);
    }
  }
  // Without padding there need not be a code for it.
  o.with_add = false;
  o.max_code = 0;
  o.shape = {1, 5, 9, 10, 9, 3, 3, 1, 0};
  IntLayer bare = make_layer(o, draw);
  bare.pad_code = TensorU8();
  const auto input = random_codes(2 * 5 * 9 * 10, 1, draw);
  CHECK(run_guarded(*prepare_exactly(bare, "lookup"), bare, 2, input, {}) ==
        naive_layer(bare, 2, input, {}));
  // As many sextets as carries have places for; steps of 2 are for others.
  o.shape = {1, 3, 3, 12240, 9, 1, 1, 1, 0};
  for (const Values values : {Values::random, Values::largest}) {
    o.weights = values == Values::random ? Values::random : Values::smallest;
    CHECK(check_all(o, 1, values, draw).count("binary_avx512vbmi") == 1);
  }
  o.shape.C = 12241;
  CHECK(prepare_exactly(make_layer(o, draw), "lookup") == nullptr);
  o.shape = {1, 6, 6, 8, 8, 3, 3, 2, 1};
  CHECK(prepare_exactly(make_layer(o, draw), "lookup") == nullptr);
  // The planner's choice: by table where there are pixels enough for its vectors.
  const auto chosen = [&](std::int64_t H, std::int64_t C) {
    o.shape = {1, H, H, C, C, 3, 3, 1, 1};
    o.max_code = 1;
    return prepare_layer(make_layer(o, draw), "auto")->algorithm();
  };
  if (!__builtin_cpu_supports("avx512vpopcntdq")) return;
  set_active_isa(Isa::avx512vnni);
  set_cpu_traits({2 << 20, VectorPorts::two, 0});
  CHECK(chosen(56, 128) == "binary_avx512vbmi");
  CHECK(chosen(14, 128) == "binary_avx512vpopcnt");
  set_cpu_traits({2 << 20, VectorPorts::four, 0});  // where counting is as fast
  CHECK(chosen(56, 128) == "binary_avx512vpopcnt");
  set_cpu_traits({2 << 20, VectorPorts::four_halves, 0});
  CHECK(chosen(56, 128) == "binary_avx512vbmi");
  CHECK(chosen(16, 256) == "binary_avx512vpopcnt");
}
