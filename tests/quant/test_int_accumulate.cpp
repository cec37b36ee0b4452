// The accumulators that training takes from the engine's kernels.
#include <catch2/catch.hpp>

#include "quant/integer/accumulate.hpp"
#include "tests/quant/int_cases.hpp"

using namespace intandem;
using namespace intandem::testing;

TEST_CASE("accumulators for training are the definition's for every ISA and thread count",
          "[integer]") {
  const RestoreSettings restore;
  Draw draw(77);
  const auto shape = [](std::int64_t H, std::int64_t C, std::int64_t K, std::int64_t R,
                        std::int64_t stride,
                        std::int64_t pad) { return ConvShape{1, H, H, C, K, R, R, stride, pad}; };
  std::vector<LayerOptions> cases(6);
  cases[0].shape = shape(9, 3, 20, 3, 1, 1);  // pixels with zero points
  cases[1].shape = shape(8, 16, 48, 3, 1, 1);
  cases[1].weight_bits = 4, cases[1].in_max = 15;
  cases[2].shape = shape(7, 6, 5, 5, 2, 2);
  cases[2].weight_bits = 1, cases[2].in_max = 3;
  cases[3].shape = shape(1, 130, 33, 1, 1, 0);
  cases[3].kind = IntLayerKind::linear;
  cases[4].shape = shape(6, 24, 24, 3, 3, 0);
  cases[4].kind = IntLayerKind::avg_pool;
  cases[5].shape = shape(8, 8, 8, 3, 1, 1);  // of a unit with max-pool and shortcut
  cases[5].pool_kernel = cases[5].pool_stride = 2;
  cases[5].with_add = true;
  for (const LayerOptions& options : cases) {
    const IntLayer layer = make_layer(options, draw);
    const ConvShape& s = layer.shape;
    const std::int64_t N = 3;
    const auto input = random_codes(N * s.H * s.W * s.C, layer.in_max, draw);
    TensorU8 codes({N, s.H, s.W, s.C});
    std::copy(input.begin(), input.end(), codes.begin());
    IntLayer raw = layer;
    raw.max_code = 0;
    raw.pool_kernel = 0;
    const std::vector<std::int64_t> expected = naive_layer(raw, N, input, {});
    for (const Isa isa : available_isas()) {
      for (const int threads : {1, 2}) {
        set_active_isa(isa);
        set_thread_count(threads);
        const TensorS32 sums = accumulate(layer, codes);
        INFO(s.str() << " " << isa_name(isa) << " threads " << threads);
        REQUIRE(sums.size() == static_cast<std::int64_t>(expected.size()));
        CHECK(std::equal(sums.begin(), sums.end(), expected.begin()));
      }
    }
  }
}
