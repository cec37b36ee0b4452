// gemm_f32/<transpositions>/<MxNxK>/<cache state>
#include "core/gemm_f32.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "bench/measure.hpp"
#include "core/tensor.hpp"

namespace intandem::bench {
namespace {

struct Product {
  bool trans_a, trans_b;
  std::int64_t M, N, K;
};

void run_gemm_f32(benchmark::State& state, const Product& p, CacheState cache) {
  const auto a = TensorF::full({p.M * p.K}, 0.5f), b = TensorF::full({p.K * p.N}, 0.25f);
  TensorF c({p.M * p.N});
  measure(state, cache, 2.0 * static_cast<double>(p.M * p.N * p.K), [&] {
    gemm_f32(p.trans_a, p.trans_b, p.M, p.N, p.K, a.data(), p.trans_a ? p.M : p.K, b.data(),
             p.trans_b ? p.K : p.N, 0.0f, c.data(), p.N);
  });
}

void add(const Product& p, CacheState cache) {
  const std::string name = std::string("gemm_f32/") + (p.trans_a ? "T" : "N") +
                           (p.trans_b ? "T/" : "N/") + std::to_string(p.M) + "x" +
                           std::to_string(p.N) + "x" + std::to_string(p.K) +
                           (cache == CacheState::hot ? "/hot" : "/cold");
  benchmark::RegisterBenchmark(name.c_str(), run_gemm_f32, p, cache)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  for (const std::int64_t n : {128, 512, 1024, 2048}) {
    add({false, false, n, n, n}, CacheState::hot);
  }
  add({false, true, 1024, 1024, 1024}, CacheState::hot);
  add({true, false, 1024, 1024, 1024}, CacheState::hot);
  // Linear layers: forward of AlexNet's fc6 at batch 1 and 128.
  for (const std::int64_t batch : {1, 128}) {
    add({false, true, batch, 4096, 9216}, CacheState::cold);
  }
  return true;
}();

}  // namespace
}  // namespace intandem::bench
