// `intandem train --profile`: where the time of the training steps went, as JSON and as a table.
//
// profile.json:
//   steps, step_seconds (their sum), epoch_seconds (first to last step of every epoch, waiting for
//   data, progress and checkpoints included; the evaluation is not), threads, isa,
//   fma_peak_gflops, copy_gbytes_per_s (all threads, measured when training begins)
//   rows: [{ unit, phase, calls, seconds, flop, bytes }]   (meanings: core/profile.hpp)
// A resumed job counts the steps since it was resumed.
#pragma once

#include <string>
#include <vector>

#include "core/json.hpp"
#include "core/profile.hpp"

namespace intandem {

/// What the profile is compared with.
struct MachinePeaks {
  double fma_gflops = 0;
  double copy_gbytes_per_s = 0;
};
/// Takes about 0.1 s.
MachinePeaks measure_machine_peaks();

Json profile_to_json(const Profiler& profiler, const MachinePeaks& peaks);

/// One row per unit and phase, in ms per step; for a terminal. `profile` as read from profile.json;
/// what is missing in it is left out.
std::string profile_table(const Json& profile);

/// The cells of the same table, header first; and one line that sums up.
std::vector<std::vector<std::string>> profile_cells(const Json& profile);
std::string profile_summary(const Json& profile);

}  // namespace intandem
