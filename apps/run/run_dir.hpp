// A run directory: everything one experiment leaves behind, written so that nothing gets lost.
//
//   config.json    per job: the resolved configuration, command line, commit, dates
//   log.jsonl      one JSON object per line, every line with the "job" it belongs to
//   results.json   figures, merged key by key (schema: apps/report/report.hpp)
//   profile.json   where the time went (train --profile; schema: apps/training_profile.hpp)
//   *.checkpoint   the state of an unfinished job; removed when it is finished
//   .lock, .owner  held while a job writes here
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "apps/run/directory_lock.hpp"
#include "apps/settings/config.hpp"
#include "core/container.hpp"
#include "core/file.hpp"
#include "core/json.hpp"

namespace intandem {

/// What the command line says about a job, apart from its configuration.
struct JobOptions {
  std::string run;           ///< --run DIR
  bool resume = false;       ///< --resume
  bool overwrite = false;    ///< --overwrite
  bool quiet = false;        ///< --quiet
  bool profile = false;      ///< --profile (train)
  bool other_data = false;   ///< --other-data
  std::string trace;         ///< --trace-comm FILE; empty: none
  std::string command_line;  ///< as typed, for the record
};

/// The results.json of a run, changed atomically; also for commands that are no job.
Json read_results(const std::string& run);
/// RFC 7396 merge: objects are merged key by key, null removes a key, anything else replaces.
void merge_results(const std::string& run, const Json& patch);

/// Merges figures of one student under "students"; those of the run's first student, its headline,
/// also appear at the top level.
void merge_student(const std::string& run, const std::string& name, const Json& figures);

/// Seconds of training that a checkpoint records as "seconds". Error unless finite and not
/// negative.
double recorded_seconds(const Container& checkpoint);

/// One job ("train", "distill-w4a4", …) at work in a run directory. Of several processes the first
/// writes; the others read what it goes on from, and call nothing from begin() on.
class RunDir {
 public:
  /// Creates the directory if needed and takes its lock. Errors: not writable; another process
  /// works there; `job` was started before and neither --resume nor --overwrite is given (what is
  /// there and both ways out are named). --resume of a job that never began begins it.
  RunDir(const JobOptions& options, const std::string& job);

  const std::string& directory() const { return directory_; }
  const std::string& job() const { return job_; }
  /// Path of a file in the directory.
  std::string path(const std::string& file) const;
  /// "<job>.checkpoint" in the directory.
  std::string checkpoint_path() const { return path(job_ + ".checkpoint"); }

  /// The job was completed by an earlier process and is resumed now: nothing is left to do. Error
  /// if it was completed with another configuration (check_same_config).
  bool already_finished(const ConfigKeys& keys) const;
  /// The checkpoint this process goes on from; none if it starts at the beginning. Error if it was
  /// written with another configuration (check_same_config), or damaged.
  std::optional<Container> open_checkpoint(const ConfigKeys& keys) const;
  /// Adds to a checkpoint what open_checkpoint and open_log want to find: configuration and log
  /// length; flushes the log.
  void stamp(Container& checkpoint, const ConfigKeys& keys);

  /// Writes the job's entry of config.json. Unless the job is resumed, first drops what an earlier
  /// try left (checkpoint, log lines). starts_run: the other jobs of the run rest on this one, so
  /// they are dropped as well, and all results.
  void begin(const ConfigKeys& keys, bool starts_run = false);
  /// Opens the log, keeping the lines this job had written when it wrote `checkpoint` (null: none)
  /// and all lines of other jobs. A note on standard error if lines of this job are missing.
  void open_log(const Container* checkpoint);
  /// Appends {"job": …, fields…} to the log.
  void log(const Json& fields);

  /// Marks the job finished and removes its checkpoint.
  void finish();

 private:
  void forget(const std::string& job);

  std::string directory_, job_, command_line_;
  bool resuming_ = false, finished_ = false;
  std::unique_ptr<DirectoryLock> lock_;
  std::int64_t lines_ = 0;
  std::unique_ptr<LineLog> log_;
};

}  // namespace intandem
