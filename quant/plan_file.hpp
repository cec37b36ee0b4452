// Plans of the integer engine (quant/integer/plan.hpp) as files: JSON, replaced whole or not at
// all.
//
//     {"format": "intandem-plan", "version": 1, "cpu": …, "instruction_set": …, "commit": …,
//      "threads": 1, "batch": 16,
//      "layers": {"conv 13x13x256 to 256, 3x3, …": {"algorithm": "winograd4",
//                                                   "time_ns": {"winograd4": 99500, …}}, …}}
#pragma once

#include <cstdint>
#include <string>

#include "quant/integer/engine.hpp"

namespace intandem {

/// The plan in a file. Error if the file is missing, no plan, or names an unknown algorithm.
Plan load_plan(const std::string& path);
/// Error names the file; the old one is intact then.
void save_plan(const std::string& path, const Plan& plan);

/// Where measured plans of this machine are kept between runs, one file per CPU, instruction set,
/// number of threads and of images: below $XDG_CACHE_HOME/intandem, or ~/.cache/intandem. Empty if
/// neither variable is set.
std::string cached_plan_path(const PlanMachine& machine);

/// The plan a command runs by, after its option --plan:
///   "measure"   the cached one; what it lacks is measured and kept for the next time. A file that
///               is damaged or of another machine, version, threads or batch is measured again.
///   "estimate"  none: by a count of products and bytes, at once
///   FILE        the one in that file, which must be of this machine, threads and batch (Error);
///               what it lacks, or all if there is no such file, is measured and written there.
class PlanSource {
 public:
  PlanSource(const std::string& option, std::int64_t batch);
  /// For an engine of these images at a time. algorithm: as EngineOptions.
  EngineOptions options(const std::string& algorithm = "auto");
  /// Writes what was measured since, if anything. An unwritable cache is a note on standard error,
  /// an unwritable FILE an Error.
  void keep();
  /// Null with "estimate".
  const Plan* plan() const { return measures_ ? &plan_ : nullptr; }

 private:
  bool measures_ = true, is_cache_ = false;
  std::string path_;  ///< empty: kept nowhere
  Plan plan_, kept_;
};

}  // namespace intandem
