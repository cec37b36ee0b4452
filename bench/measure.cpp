#include "bench/measure.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/sweep.hpp"
#include "core/parallel.hpp"

namespace intandem::bench {
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

void measure_median(benchmark::State& state, CacheState cache, double operations,
                    const std::function<void()>& run, const Scale& scale) {
  constexpr double kEnough_s = 20e-3;
  constexpr std::size_t kLeast = 5;
  double peak = scale.peak();
  run();
  std::vector<double> seconds;
  for (auto _ : state) {
    for (double spent = 0.0; spent < kEnough_s || seconds.size() < kLeast;
         spent += seconds.back()) {
      if (cache == CacheState::cold) sweep_caches();
      const auto start = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      seconds.push_back(elapsed.count());
      if (cache == CacheState::cold && seconds.size() >= kLeast) break;  // the sweeps take longer
    }
    std::sort(seconds.begin(), seconds.end());
    state.SetIterationTime(seconds[seconds.size() / 2]);
  }
  peak = std::max(peak, scale.peak());
  const double rate = operations / seconds[seconds.size() / 2] * 1e-9;
  state.counters[scale.unit] = rate;
  if (peak > 0.0) state.counters["peak_%"] = 100.0 * rate / peak;
  state.counters["threads"] = thread_count();
}

}  // namespace intandem::bench
