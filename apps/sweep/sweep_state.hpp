// How far a job of a sweep has come, read from its run directory; and who works on it.
#pragma once

#include <string>

#include "apps/sweep/sweep_file.hpp"

namespace intandem {

enum class JobState {
  absent,      ///< not begun
  unfinished,  ///< to be resumed
  unverified,  ///< distilled, `verify` is missing
  done,
};

/// State of a job whose teacher is there. Error, naming the directory, if it holds a run of other
/// settings (a default of the program has changed) or of another teacher.
JobState job_state(const std::string& sweep_directory, const SweepJob& job);

/// Exclusive right to work on a job while the object lives; a killed process leaves no stale lock.
class JobLock {
 public:
  /// Creates the directory. On a file system without locks, always held.
  explicit JobLock(const std::string& directory);
  ~JobLock();
  JobLock(const JobLock&) = delete;
  JobLock& operator=(const JobLock&) = delete;

  /// False: another process has it.
  bool held() const { return held_; }

 private:
  int descriptor_ = -1;
  bool held_ = false;
};

}  // namespace intandem
