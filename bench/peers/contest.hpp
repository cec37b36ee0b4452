// Contenders that take turns on the same operands, their medians, and how far their results differ.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace intandem::bench {

struct Contender {
  std::string name;
  std::function<void()> run;
  /// For contenders in another process: one run, caches swept before if `cold`; its seconds. Takes
  /// the place of `run`.
  std::function<double(bool cold)> timed_elsewhere = {};
};

struct ContestOptions {
  int rounds = 5;
  bool cold = false;  ///< sweep_caches() before every run
};

struct ContestResult {
  std::vector<double> seconds;  ///< median, one per contender
  double peak_gops = 0;         ///< median of the peaks measured between the turns
};

/// In every round each contender in turn (another one first each time) runs once untimed (unless
/// cold), then for 5 ms or at least once. Time is the wall clock, on one thread the CPU time of the
/// process, which other processes disturb less. With several threads a pause of 20 ms before each
/// turn, and after each sweep, lets the OpenMP threads of the last one stop spinning: contenders
/// may have thread pools of their own.
ContestResult contest(const std::vector<Contender>& contenders, const ContestOptions& options);

/// Differences of codes (or accumulators) between a peer and the exact integers.
struct Deviation {
  std::int64_t largest = 0;
  double mean = 0;  ///< of the magnitudes
  double differing_percent = 0;
};
template <class T>
Deviation deviation(const std::vector<T>& exact, const std::vector<T>& theirs) {
  Deviation d;
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const std::int64_t difference = std::int64_t{exact[i]} - theirs[i];
    const std::int64_t magnitude = difference < 0 ? -difference : difference;
    if (magnitude > d.largest) d.largest = magnitude;
    sum += static_cast<double>(magnitude);
    count += magnitude > 0;
  }
  const double size = static_cast<double>(exact.size());
  if (size > 0) d.mean = sum / size, d.differing_percent = 100.0 * count / size;
  return d;
}

}  // namespace intandem::bench
