// What every float benchmark states: GFLOPS, the share of the peak measured beside it, threads,
// and whether the operands were in the caches.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>

#include "core/machine_peak.hpp"

namespace intandem::bench {

enum class CacheState {
  hot,   ///< operands as the previous repetition left them
  cold,  ///< sweep_caches() before every repetition (not timed)
};

/// What is counted, and the peak of all threads it is compared with (0: none is known).
struct Scale {
  const char* unit = "GFLOPS";
  double (*peak)() = peak_gflops_all_threads;
};

/// For benchmarks registered with UseManualTime(). Repeats `run` under `state` and sets the
/// counters GFLOPS (or the unit of `scale`), peak_% (of all threads' FMA peak or that of `scale`,
/// measured just before and after, the larger counts) and threads. `flop`: operations of one run.
void measure(benchmark::State& state, CacheState cache, double flop,
             const std::function<void()>& run, const Scale& scale = {});

/// For benchmarks registered with UseManualTime() and Iterations(1): `run` is repeated within the
/// one iteration for 20 ms, at least five times, and the median counts. Same counters.
void measure_median(benchmark::State& state, CacheState cache, double operations,
                    const std::function<void()>& run, const Scale& scale = {});

}  // namespace intandem::bench
