// What each thread of each process did when: to see whether communication hides behind computation.
// Without a trace in use a span costs one comparison.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace intandem {

/// Collects spans of any threads. One at most is in use in a process.
class Trace {
 public:
  /// Lane of the thread that communicates; other lanes are numbers of shards.
  static constexpr int kCommunication = -1;

  struct Span {
    std::string name;
    int lane = 0;
    std::int64_t begin_us = 0, end_us = 0;  ///< of the system's clock, which nodes have in common
    std::int64_t bytes = 0;
  };
  void add(Span span);

  /// Events in the trace event format (chrome://tracing, ui.perfetto.dev), separated by commas, of
  /// process `process`.
  std::string events(int process) const;
  /// Microseconds of sums, and of those the ones in which a backward pass was going on.
  struct Overlap {
    std::int64_t sum_us = 0, hidden_us = 0, bytes = 0;
  };
  Overlap overlap() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
};

/// The trace in use, or null.
Trace* active_trace();
void use_trace(Trace* trace);

/// From construction to destruction.
class TraceSpan {
 public:
  TraceSpan(const char* name, int lane, std::int64_t bytes = 0);
  ~TraceSpan();
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  Trace* trace_;
  const char* name_;
  int lane_;
  std::int64_t bytes_, begin_us_ = 0;
};

}  // namespace intandem
