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

TEST_CASE("the codes of pooled accumulators are the pooled codes", "[integer]") {
  const RestoreSettings restore;
  Draw draw(78);
  for (const std::int64_t K : {5, 8, 24, 64}) {
    for (const std::int64_t kernel : {2, 3}) {
      LayerOptions options;
      options.shape = ConvShape{1, 9, 9, 4, K, 3, 3, 1, 1};
      options.weight_bits = 4, options.in_max = 15, options.max_code = 15;
      options.pool_kernel = kernel, options.pool_stride = 2;
      const IntLayer layer = make_layer(options, draw);
      const std::int64_t N = 2;
      const auto input = random_codes(N * 9 * 9 * 4, 15, draw);
      TensorU8 codes({N, 9, 9, 4});
      std::copy(input.begin(), input.end(), codes.begin());
      const std::vector<std::int64_t> expected = naive_layer(layer, N, input, {});
      for (const Isa isa : available_isas()) {
        set_active_isa(isa);
        INFO("K " << K << " kernel " << kernel << " " << isa_name(isa));
        const TensorS32 acc = accumulate(layer, codes);
        TensorU8 places;
        const TensorS32 largest = max_pool_accumulators(acc, kernel, 2, &places);
        REQUIRE(largest.size() == static_cast<std::int64_t>(expected.size()));
        TensorU8 pooled(largest.shape());
        Requantizer(layer).run(largest.data(), nullptr, largest.size() / K, pooled.data());
        CHECK(std::equal(pooled.begin(), pooled.end(), expected.begin()));
        // The place is the first of the largest.
        std::int64_t wrong = 0;
        for (std::int64_t i = 0; i < largest.size(); ++i) {
          const std::int64_t P = largest.dim(1), Q = largest.dim(2);
          const std::int64_t k = i % K, q = i / K % Q, p = i / K / Q % P, n = i / K / Q / P;
          std::int64_t first = -1;
          for (std::int64_t tap = 0; tap < kernel * kernel; ++tap) {
            const std::int64_t h = 2 * p + tap / kernel, w = 2 * q + tap % kernel;
            const std::int32_t sum = acc[((n * acc.dim(1) + h) * acc.dim(2) + w) * K + k];
            if (sum > largest[i]) ++wrong;
            if (sum == largest[i] && first < 0) first = tap;
          }
          wrong += places[i] != first;
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("requantization with a shortcut of any number of channels", "[integer]") {
  const RestoreSettings restore;
  Draw draw(79);
  for (const std::int64_t K : {5, 8, 24, 33}) {
    LayerOptions options;
    options.shape = ConvShape{1, 4, 4, 8, K, 3, 3, 1, 1};
    options.with_add = true;
    const IntLayer layer = make_layer(options, draw);
    const auto input = random_codes(4 * 4 * 8, 255, draw);
    const auto shortcut = random_codes(4 * 4 * K, 255, draw);
    TensorU8 codes({1, 4, 4, 8});
    std::copy(input.begin(), input.end(), codes.begin());
    const std::vector<std::int64_t> expected = naive_layer(layer, 1, input, shortcut);
    for (const Isa isa : available_isas()) {
      set_active_isa(isa);
      INFO("K " << K << " " << isa_name(isa));
      const TensorS32 acc = accumulate(layer, codes);
      std::vector<std::uint8_t> out(expected.size());
      Requantizer(layer).run(acc.data(), shortcut.data(), 16, out.data());
      CHECK(std::equal(out.begin(), out.end(), expected.begin()));
    }
  }
}
