// What every float benchmark states: GFLOPS, the share of the peak measured beside it, threads,
// and whether the operands were in the caches.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>

namespace intandem::bench {

enum class CacheState {
  hot,   ///< operands as the previous repetition left them
  cold,  ///< caches swept with 128 MiB of other data before every repetition (not timed)
};

/// For benchmarks registered with UseManualTime(). Repeats `run` under `state` and sets the
/// counters GFLOPS, peak_% (of all threads' FMA peak, measured just before and after, the larger
/// counts) and threads. `flop`: operations of one run.
void measure(benchmark::State& state, CacheState cache, double flop,
             const std::function<void()>& run);

}  // namespace intandem::bench
