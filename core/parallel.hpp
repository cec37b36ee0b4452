// Fixed-chunk parallel loops: what is computed, and in which order it is summed, depends on the
// problem alone and never on the number of threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

namespace intandem {

/// Threads used by parallel_for; set by --threads, else OMP_NUM_THREADS, else all processors.
inline int thread_count() { return omp_get_max_threads(); }
inline void set_thread_count(int threads) { omp_set_num_threads(std::max(1, threads)); }

/// Calls f(begin, end) for the chunks [0, grain), [grain, 2·grain), … of [0, n), in any order and
/// on any thread. Runs serially inside another parallel loop. The first exception is rethrown.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, const F& f) {
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t chunks = (n + grain - 1) / grain;
  if (chunks <= 1 || thread_count() == 1 || omp_in_parallel()) {
    for (std::int64_t i = 0; i < chunks; ++i) f(i * grain, std::min(n, (i + 1) * grain));
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < chunks; ++i) {
    try {
      f(i * grain, std::min(n, (i + 1) * grain));
    } catch (...) {
#pragma omp critical(intandem_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

/// Calls f(worker) for every worker below n, worker i on thread i mod thread_count(), so that it
/// finds what it left in its caches. Serially inside another parallel loop. f must not throw.
template <class F>
void parallel_workers(std::int64_t n, const F& f) {
  if (n <= 1 || thread_count() == 1 || omp_in_parallel()) {
    for (std::int64_t i = 0; i < n; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(static, 1)
  for (std::int64_t i = 0; i < n; ++i) f(i);
}

/// Hands out [0, n) in pieces, each a 2·takers-th of what is left, at least one: the first are long
/// stretches, and the last so short that takers end together, even if some have come late (a thread
/// that sleeps needs about 100 µs to wake up).
class SharedRange {
 public:
  SharedRange(std::int64_t n, std::int64_t takers) : n_(n), parts_(2 * takers) {}

  /// The next piece; false if nothing is left.
  bool take(std::int64_t& begin, std::int64_t& end) {
    begin = next_.load(std::memory_order_relaxed);
    do {
      if (begin >= n_) return false;
      end = begin + std::max<std::int64_t>(1, (n_ - begin) / parts_);
    } while (!next_.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return true;
  }

 private:
  const std::int64_t n_, parts_;
  std::atomic<std::int64_t> next_{0};
};

/// Tasks begin … end − 1 of one worker, from which others may take too.
class TaskShare {
 public:
  void set(std::int64_t begin, std::int64_t end) {
    bounds_.store(pack(begin, end), std::memory_order_relaxed);
  }
  /// The first or the last task that nobody took yet, −1: none left.
  std::int64_t take(bool first) {
    std::uint64_t bounds = bounds_.load(std::memory_order_relaxed);
    for (;;) {
      const auto begin = static_cast<std::int64_t>(bounds & 0xFFFFFFFF);
      const auto end = static_cast<std::int64_t>(bounds >> 32);
      if (begin >= end) return -1;
      const std::uint64_t rest = first ? pack(begin + 1, end) : pack(begin, end - 1);
      if (bounds_.compare_exchange_weak(bounds, rest, std::memory_order_relaxed)) {
        return first ? begin : end - 1;
      }
    }
  }

 private:
  static std::uint64_t pack(std::int64_t begin, std::int64_t end) {
    return static_cast<std::uint64_t>(end) << 32 | static_cast<std::uint64_t>(begin);
  }
  alignas(64) std::atomic<std::uint64_t> bounds_{0};
};

/// Calls f(worker, task) once for every task below n < 2³², with workers as parallel_workers has
/// them, any number. Each worker begins with its share of consecutive tasks, the same in every call
/// with the same numbers, so that what a task reads is still in that processor's caches; who is
/// done takes tasks from the ends of the others' shares. Workers beyond the 64th share the shares
/// of those before them from the start. f must not throw.
template <class F>
void parallel_tasks(std::int64_t workers, std::int64_t n, const F& f) {
  constexpr std::int64_t kMostShares = 64;  // on the stack, a cache line each
  workers = std::min(workers, n);
  const std::int64_t count = std::min(workers, kMostShares);
  std::array<TaskShare, kMostShares> shares;
  for (std::int64_t i = 0; i < count; ++i) {
    shares[static_cast<std::size_t>(i)].set(n * i / count, n * (i + 1) / count);
  }
  parallel_workers(workers, [&](std::int64_t worker) {
    for (std::int64_t i = 0; i < count; ++i) {
      TaskShare& share = shares[static_cast<std::size_t>((worker + i) % count)];
      const bool own = i == 0 && worker < count;
      for (std::int64_t task; (task = share.take(own)) >= 0;) f(worker, task);
    }
  });
}

/// Sum of f(begin, end) over the same chunks, added in chunk order: bit-identical for any number
/// of threads. Sum needs operator+= and a zero default value.
template <class Sum, class F>
Sum parallel_sum(std::int64_t n, std::int64_t grain, const F& f) {
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t chunks = (n + grain - 1) / grain;
  std::vector<Sum> partial(static_cast<std::size_t>(chunks));
  parallel_for(chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      partial[static_cast<std::size_t>(i)] = f(i * grain, std::min(n, (i + 1) * grain));
    }
  });
  Sum total{};
  for (const Sum& p : partial) total += p;
  return total;
}

/// Σ f(i) over [begin, end) in double, as 16 interleaved sums that are added at the end: an order a
/// compiler may compute with vectors and need not, so the bits do not depend on it. f returns what
/// is exact in double, or whose rounding is its own.
template <class F>
double interleaved_sum(std::int64_t begin, std::int64_t end, const F& f) {
  constexpr std::int64_t kLanes = 16;
  double lanes[kLanes] = {};
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<double>(f(i + lane));
    }
  }
  for (; i < end; ++i) lanes[0] += static_cast<double>(f(i));
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace intandem
