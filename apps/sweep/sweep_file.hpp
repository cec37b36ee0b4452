// A sweep: many students of one or more teachers, described in one JSON file (docs/sweeps.md).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/sweep/sweep_options.hpp"
#include "core/json.hpp"

namespace intandem {

enum class SweepKind {
  teacher,   ///< `train`: what the students learn from
  distill,   ///< `distill`, then `verify`
  baseline,  ///< `baseline`: the folded teacher, untrained
  train,     ///< `train`, as a contender: quantized training with batch norm
};
/// "teacher", "distill", …
std::string kind_name(SweepKind kind);

/// One command (with the check that follows it) in a directory of its own.
struct SweepJob {
  int number = 0;  ///< from 1, teachers first
  SweepKind kind = SweepKind::distill;
  std::string label;    ///< the method, a row of the tables
  std::string series;   ///< rows of one series form a line in the plots
  std::string group;    ///< a table and a point on the axis of bits; may be empty
  std::string teacher;  ///< name of the teacher; a teacher's own name
  std::int64_t seed = 1;
  std::string name;          ///< of the student within its run directory
  std::string directory;     ///< inside the sweep's: kind, bits, seed and a hash of what it does
  std::string init;          ///< teacher file that `train` starts from; empty: random weights
  int depends_on = 0;        ///< number of the job that makes its teacher; 0: a file that is there
  std::string teacher_file;  ///< where the teacher is, or will be
  Json settings;             ///< what differs from the program's defaults and may change figures
  Json harmless;             ///< what differs and does not
  Json resolved;             ///< every setting that may change figures
  std::vector<std::string> arguments;  ///< of `intandem`, without --resume
  std::vector<std::string> verify;     ///< of the `intandem verify` that follows; empty: none
};

struct Sweep {
  std::string title;
  std::vector<SweepJob> jobs;
};

/// Reads the file and resolves every job: defaults of the program, then the file's, the group's and
/// the job's own settings. `directory` is where the sweep will run. Usage errors name file, job and
/// key: not JSON, unknown or repeated names, settings that the sweep itself makes.
Sweep read_sweep(const std::string& path, const std::string& directory,
                 const SweepOverrides& overrides);

/// The plan as written to sweep.json, for `report`: title and, per job, its words above.
Json sweep_to_json(const Sweep& sweep, const std::string& program);

}  // namespace intandem
