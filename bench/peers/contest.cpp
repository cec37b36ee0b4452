#include "bench/peers/contest.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "bench/sweep.hpp"
#include "core/int_peak.hpp"
#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

constexpr double kTurn_s = 5e-3;

double now_s() {
  timespec t{};
  clock_gettime(thread_count() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0.0 : v[v.size() / 2];
}

void pause() {
  if (thread_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

double timed(const Contender& contender, bool cold) {
  if (contender.timed_elsewhere) return contender.timed_elsewhere(cold);
  if (cold) {
    sweep_caches();
    pause();
  }
  const double start = now_s();
  contender.run();
  return now_s() - start;
}

}  // namespace

ContestResult contest(const std::vector<Contender>& contenders, const ContestOptions& options) {
  std::vector<std::vector<double>> seconds(contenders.size());
  std::vector<double> peaks;
  for (int round = 0; round < options.rounds; ++round) {
    peaks.push_back(int8_peak_gops());
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const std::size_t c = (i + static_cast<std::size_t>(round)) % contenders.size();
      pause();
      if (!options.cold || round == 0) timed(contenders[c], false);
      double spent = 0.0;
      do {
        seconds[c].push_back(timed(contenders[c], options.cold));
        spent += seconds[c].back();
      } while (spent < kTurn_s && !options.cold);
    }
  }
  ContestResult result;
  result.peak_gops = median(peaks);
  for (const auto& s : seconds) result.seconds.push_back(median(s));
  return result;
}

}  // namespace intandem::bench
