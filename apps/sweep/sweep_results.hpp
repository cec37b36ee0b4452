// What a sweep has given so far: one row per teacher, group and method, over its seeds.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace intandem {

/// The plan of a sweep within its directory (apps/sweep/sweep_file.hpp: sweep_to_json).
constexpr const char* kSweepPlan = "sweep.json";

/// One figure of several seeds.
struct Samples {
  std::vector<double> values;  ///< finite

  void add(double value);
  /// NaN without values.
  double mean() const;
  /// Standard deviation with n − 1 in the denominator; NaN for fewer than two values.
  double deviation() const;
};

struct SweepRow {
  std::string teacher, group, label, series;
  std::vector<std::int64_t> seeds;  ///< of the jobs that are done
  int wanted = 0;                   ///< jobs in the plan
  Samples top1, top5, to_teacher, agreement, held_out_loss, passes, seconds;
  bool in_integers = true;         ///< false: quantized training with batch norm in floats
  std::int64_t mismatches = 0;     ///< over all seeds
  int verified = 0;                ///< seeds that `verify` has looked at
  std::set<std::string> commits;   ///< of the program, for each job
  std::set<std::int64_t> threads;  ///< the jobs ran with
  std::string command;             ///< of the first seed
};

struct SweepTeacher {
  std::string name, network, dataset;
  double top1 = 0, top5 = 0, seconds = 0;  ///< NaN if unknown
  std::int64_t images = 0;                 ///< test images
  std::string command, commit;             ///< empty for a teacher that was given
};

struct SweepResults {
  std::string title;
  std::vector<SweepTeacher> teachers;
  std::vector<std::string> groups;  ///< in the order of the file
  std::vector<SweepRow> rows;       ///< in the order of the file
  int jobs = 0, done = 0;
};

/// Error, naming the file, if the directory holds no plan or a file of it is damaged.
SweepResults read_sweep_results(const std::string& directory);

}  // namespace intandem
