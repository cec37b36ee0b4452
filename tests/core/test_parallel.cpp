#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "core/parallel.hpp"

using namespace intandem;

namespace {

struct RestoreThreads {
  ~RestoreThreads() { set_thread_count(threads); }
  int threads = thread_count();
};

}  // namespace

TEST_CASE("parallel_for visits every index once, in the same chunks for any thread count",
          "[core][parallel]") {
  const RestoreThreads restore;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    for (const std::int64_t n : {0, 1, 2, 7, 8, 9, 1000}) {
      for (const std::int64_t grain : {-1, 0, 1, 3, 8, 2000}) {
        std::vector<int> visits(static_cast<std::size_t>(n));
        std::atomic<bool> aligned{true};
        const std::int64_t step = std::max<std::int64_t>(1, grain);
        parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
          if (begin % step != 0 || end != std::min(n, begin + step)) aligned = false;
          for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        CHECK(aligned);
        CHECK(visits == std::vector<int>(static_cast<std::size_t>(n), 1));
      }
    }
  }
}

TEST_CASE("SharedRange hands out every index once, in pieces that shrink to one",
          "[core][parallel]") {
  const RestoreThreads restore;
  for (const int takers : {1, 2, 5}) {
    set_thread_count(takers);
    for (const std::int64_t n : {0, 1, 2, 9, 128, 1000}) {
      SharedRange range(n, takers);
      std::vector<int> visits(static_cast<std::size_t>(n));
      std::atomic<bool> fair{true};
      parallel_workers(takers, [&](std::int64_t) {
        for (std::int64_t begin = 0, end = 0; range.take(begin, end);) {
          const std::int64_t most = std::max<std::int64_t>(1, (n - begin) / (2 * takers));
          if (begin < 0 || begin >= end || end > n || end - begin != most) fair = false;
          for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        }
      });
      CHECK(fair);
      CHECK(visits == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
  }
}

TEST_CASE("parallel_workers calls every worker once and the same thread for it again",
          "[core][parallel]") {
  const RestoreThreads restore;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    for (const std::int64_t n : {0, 1, 3, 7}) {
      std::vector<int> visits(static_cast<std::size_t>(n)), thread(visits);
      for (int repeat = 0; repeat < 3; ++repeat) {
        parallel_workers(n, [&](std::int64_t i) {
          ++visits[static_cast<std::size_t>(i)];
          thread[static_cast<std::size_t>(i)] = omp_get_thread_num();
        });
      }
      for (std::int64_t i = 0; i < n; ++i) {
        CHECK(visits[static_cast<std::size_t>(i)] == 3);
        CHECK(thread[static_cast<std::size_t>(i)] == (n == 1 ? 0 : i % threads));
      }
    }
  }
}

TEST_CASE("parallel_tasks runs every task once, first the own share, on one thread per worker",
          "[core][parallel]") {
  const RestoreThreads restore;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    for (const std::int64_t workers : {1, 2, 3, 100}) {
      for (const std::int64_t n : {0, 1, 2, 7, 1000}) {
        const auto size = static_cast<std::size_t>(n);
        std::vector<int> visits(size), worker_of(size), thread_of(size), turn_of(size);
        std::array<std::atomic<int>, 100> turns{};
        parallel_tasks(workers, n, [&](std::int64_t worker, std::int64_t task) {
          const auto t = static_cast<std::size_t>(task);
          ++visits[t];
          worker_of[t] = static_cast<int>(worker);
          thread_of[t] = omp_get_thread_num();
          turn_of[t] = turns[static_cast<std::size_t>(worker)]++;
        });
        CHECK(visits == std::vector<int>(size, 1));
        const std::int64_t used = std::min(workers, n);
        const std::int64_t shares = std::min(used, std::int64_t{64});
        for (std::int64_t i = 0; i < n; ++i) {
          const auto t = static_cast<std::size_t>(i);
          REQUIRE(worker_of[t] < used);
          if (used > 1) REQUIRE(thread_of[t] == worker_of[t] % threads);
        }
        // A worker that got to the first task of its share did so before any other task.
        for (std::int64_t i = 0; i < shares; ++i) {
          const auto first = static_cast<std::size_t>(n * i / shares);
          if (worker_of[first] == i) CHECK(turn_of[first] == 0);
        }
      }
    }
  }
}

TEST_CASE("parallel_tasks has work for more workers than there are shares", "[core][parallel]") {
  const RestoreThreads restore;
  constexpr int kWorkers = 100;
  set_thread_count(kWorkers);
  std::array<std::atomic<bool>, kWorkers> seen{};
  std::atomic<int> count{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  // Every task waits until every worker has got one.
  parallel_tasks(kWorkers, 10 * kWorkers, [&](std::int64_t worker, std::int64_t) {
    if (!seen[static_cast<std::size_t>(worker)].exchange(true)) ++count;
    while (count < kWorkers && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  });
  CHECK(count == kWorkers);
}

TEST_CASE("parallel_sum gives the same bits for any thread count", "[core][parallel]") {
  const RestoreThreads restore;
  // Terms of very different size and sign: any other order gives another sum.
  const auto chunk = [](std::int64_t begin, std::int64_t end) {
    float sum = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      sum += std::sin(static_cast<float>(i)) * std::exp2(static_cast<float>(i % 41) - 20.0f);
    }
    return sum;
  };
  set_thread_count(1);
  const float reference = parallel_sum<float>(100'003, 97, chunk);
  for (const int threads : {2, 3, 4, 8}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 5; ++repeat) {
      const float sum = parallel_sum<float>(100'003, 97, chunk);
      REQUIRE(std::memcmp(&sum, &reference, sizeof sum) == 0);
    }
  }
  CHECK(parallel_sum<float>(0, 97, chunk) == 0.0f);
}

TEST_CASE("an exception of a chunk reaches the caller and the next loop works",
          "[core][parallel]") {
  const RestoreThreads restore;
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    const auto fail_at_30 = [](std::int64_t begin, std::int64_t) {
      if (begin == 30) throw Error("chunk 30", "is broken", "mend it");
    };
    CHECK_THROWS_WITH(parallel_for(100, 1, fail_at_30), Catch::Contains("chunk 30"));
    CHECK_THROWS_AS(parallel_for(100, 1, [](auto, auto) { throw 7; }), int);
    std::atomic<int> chunks{0};
    parallel_for(100, 1, [&](auto, auto) { ++chunks; });
    CHECK(chunks == 100);
  }
}

TEST_CASE("a loop inside a loop runs serially and completely", "[core][parallel]") {
  const RestoreThreads restore;
  set_thread_count(4);
  std::vector<std::int64_t> sums(8);
  parallel_for(8, 1, [&](std::int64_t outer, std::int64_t) {
    // Without an atomic: the inner loop stays on the outer chunk's thread.
    parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sums[static_cast<std::size_t>(outer)] += i;
    });
  });
  CHECK(sums == std::vector<std::int64_t>(8, 499'500));
}

TEST_CASE("the thread count is at least one", "[core][parallel]") {
  const RestoreThreads restore;
  set_thread_count(0);
  CHECK(thread_count() == 1);
  set_thread_count(3);
  CHECK(thread_count() == 3);
}
