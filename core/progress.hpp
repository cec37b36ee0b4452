// How far a long command is: a bar on a terminal, a plain line every few seconds elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace intandem {

/// Reports to standard error. Not thread safe: one thread reports.
class Progress {
 public:
  /// label: "teacher epoch 3/8". total: number of steps, ≥ 1.
  Progress(std::string label, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` steps; note: e.g. "loss 0.312". Cheap to call at every step.
  void update(std::int64_t done, const std::string& note = {});
  /// Ends the line with a closing note, e.g. "held-out 92.1 %". Called by the destructor if not
  /// called before.
  void finish(const std::string& note = {});

  /// No output at all (tests, --quiet).
  static void set_quiet(bool quiet);
  /// The same for this thread alone (all shards of a batch but the first).
  static void set_thread_quiet(bool quiet);

 private:
  void print(std::int64_t done, const std::string& note, bool last);

  std::string label_;
  std::int64_t total_;
  bool terminal_;
  bool finished_ = false;
  std::int64_t done_ = 0;
  std::chrono::steady_clock::time_point start_, last_print_;
};

/// Seconds since construction, steady clock.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace intandem
