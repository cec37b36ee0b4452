#include "bench/measure.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/peak.hpp"
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
             const std::function<void()>& run) {
  double peak = peak_gflops_all_threads();
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
  peak = std::max(peak, peak_gflops_all_threads());
  const double gflops = flop * static_cast<double>(state.iterations()) / seconds * 1e-9;
  state.counters["GFLOPS"] = gflops;
  state.counters["peak_%"] = 100.0 * gflops / peak;
  state.counters["threads"] = thread_count();
}

}  // namespace intandem::bench
