#include "bench/measure.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

void sweep_caches() {
  static std::vector<char> other(std::size_t{128} << 20);
  for (std::size_t i = 0; i < other.size(); i += 64) ++other[i];
  benchmark::ClobberMemory();
}

}  // namespace

void measure(benchmark::State& state, CacheState cache, double flop,
             const std::function<void()>& run, const Scale& scale) {
  double peak = scale.peak();
  run();
  double seconds = 0.0;
  for (auto _ : state) {
    if (cache == CacheState::cold) sweep_caches();
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(elapsed.count());
    seconds += elapsed.count();
  }
  peak = std::max(peak, scale.peak());
  const double gflops = flop * static_cast<double>(state.iterations()) / seconds * 1e-9;
  state.counters[scale.unit] = gflops;
  if (peak > 0.0) state.counters["peak_%"] = 100.0 * gflops / peak;
  state.counters["threads"] = thread_count();
}

}  // namespace intandem::bench
