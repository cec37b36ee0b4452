#include "apps/commands/training_profile.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/print/figures.hpp"
#include "apps/print/text_table.hpp"
#include "apps/report/report_inputs.hpp"
#include "core/cpu.hpp"
#include "core/machine_peak.hpp"
#include "core/parallel.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kCopyFloats = std::int64_t{1} << 24;  // 64 MiB, more than the caches hold
constexpr const char* kNothing = "-";

std::string figure(double value, int decimals) {
  return std::isfinite(value) && value > 0 ? fixed(value, decimals) : kNothing;
}

}  // namespace

MachinePeaks measure_machine_peaks() {
  MachinePeaks peaks;
  for (int run = 0; run < 10; ++run) {
    peaks.fma_gflops = std::max(peaks.fma_gflops, peak_gflops_all_threads());
  }
  peaks.copy_gbytes_per_s = copy_gbytes_per_s(kCopyFloats);
  return peaks;
}

Json profile_to_json(const Profiler& profiler, const MachinePeaks& peaks) {
  Json rows = Json::array();
  for (const ProfileRow& row : profiler.rows()) {
    rows.push_back({{"unit", row.unit},
                    {"phase", row.phase},
                    {"calls", row.calls},
                    {"seconds", row.seconds},
                    {"flop", row.flop},
                    {"bytes", row.bytes}});
  }
  return {{"steps", profiler.steps},
          {"step_seconds", profiler.step_seconds},
          {"epoch_seconds", profiler.epoch_seconds},
          {"threads", thread_count()},
          {"isa", std::string(isa_name(active_isa()))},
          {"fma_peak_gflops", peaks.fma_gflops},
          {"copy_gbytes_per_s", peaks.copy_gbytes_per_s},
          {"rows", rows}};
}

std::vector<std::vector<std::string>> profile_cells(const Json& profile) {
  std::vector<std::vector<std::string>> cells = {
      {"unit", "phase", "calls", "ms per step", "% of time", "GFLOPS", "% of peak", "GB/s"}};
  const double steps = std::max(1.0, number_of(profile, "steps"));
  const double total = number_of(profile, "epoch_seconds");
  const double peak = number_of(profile, "fma_peak_gflops");
  double accounted = 0;
  const auto add = [&](const std::string& unit, const std::string& phase, const std::string& calls,
                       double seconds, double gflops, double gbytes) {
    cells.push_back({unit, phase, calls, fixed(1e3 * seconds / steps, 3),
                     figure(100 * seconds / total, 1), figure(gflops, 1),
                     figure(100 * gflops / peak, 1), figure(gbytes, 1)});
  };
  for (const Json& row : array_of(profile, "rows")) {
    const double seconds = number_of(row, "seconds"), calls = number_of(row, "calls");
    if (!std::isfinite(seconds) || !std::isfinite(calls)) continue;
    add(text_of(row, "unit"), text_of(row, "phase"), grouped(std::llround(calls)), seconds,
        1e-9 * number_of(row, "flop") / seconds, 1e-9 * number_of(row, "bytes") / seconds);
    accounted += seconds;
  }
  if (std::isfinite(total)) {
    add("everything else", "", kNothing, std::max(0.0, total - accounted), 0, 0);
  }
  return cells;
}

std::string profile_summary(const Json& profile) {
  const double steps = number_of(profile, "steps"), in_steps = number_of(profile, "step_seconds"),
               total = number_of(profile, "epoch_seconds");
  if (!(steps > 0) || !(in_steps > 0)) return "no step was profiled";
  return fixed(steps, 0) + " steps of " + fixed(1e3 * in_steps / steps, 2) +
         " ms; the epochs took " + fixed(100 * (total / in_steps - 1), 2) +
         " % longer than their steps; peak " + figure(number_of(profile, "fma_peak_gflops"), 0) +
         " GFLOPS, copy " + figure(number_of(profile, "copy_gbytes_per_s"), 1) + " GB/s, threads " +
         figure(number_of(profile, "threads"), 0);
}

std::string profile_table(const Json& profile) {
  const auto cells = profile_cells(profile);
  TextTable table(cells.front());
  for (std::size_t i = 1; i < cells.size(); ++i) table.add(cells[i]);
  return table.str() + profile_summary(profile) + "\n";
}

}  // namespace intandem
