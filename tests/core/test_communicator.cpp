#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <span>
#include <vector>

#include "core/communicator.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "core/shard_sum.hpp"
#include "tests/core/process_threads.hpp"

using namespace intandem;
using core_test::run_shards;

namespace {

/// Values of one shard whose sum depends on the order of the additions.
template <class T>
std::vector<T> values_of(int shard, std::size_t n) {
  const Rng rng = Rng(7).stream("shard").stream(static_cast<std::uint64_t>(shard));
  std::vector<T> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const auto word = rng.block(i)[0];
    values[i] = static_cast<T>(static_cast<double>(static_cast<std::int32_t>(word)) * 0x1p-20 +
                               static_cast<double>(word % 1000) * 1e-9);
  }
  return values;
}

/// The definition in core/communicator.hpp, as it stands there.
template <class T>
std::vector<T> sum_of(int lo, int hi, std::size_t n) {
  if (hi - lo == 1) return values_of<T>(lo, n);
  const int mid = lo + (hi - lo + 1) / 2;
  std::vector<T> sum = sum_of<T>(lo, mid, n);
  const std::vector<T> right = sum_of<T>(mid, hi, n);
  for (std::size_t i = 0; i < n; ++i) sum[i] += right[i];
  return sum;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("Sums over shards have the bits of the tree, whatever the processes", "[core][shards]") {
  for (const int shards : {1, 2, 3, 4, 5, 8}) {
    for (int processes = 1; processes <= shards; ++processes) {
      // Small sums go to everybody at once, large ones in pieces, also of more pieces than values.
      for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{100},
                                  std::size_t{4096}, std::size_t{4097}, std::size_t{20001}}) {
        std::atomic<int> right{0};
        run_shards(processes, shards, [&](Communicator& shard) {
          std::vector<float> floats = values_of<float>(shard.index(), n);
          std::vector<double> doubles = values_of<double>(shard.index(), n);
          shard.all_reduce_sum(std::span<float>(floats));
          shard.all_reduce_sum(std::span<double>(doubles));
          right += same_bits(floats, sum_of<float>(0, shards, n)) &&
                   same_bits(doubles, sum_of<double>(0, shards, n));
        });
        INFO(shards << " shards, " << processes << " processes, " << n << " values");
        CHECK(right == shards);
      }
    }
  }
}

TEST_CASE("Sums in the background are the same, and others may pass in between", "[core][shards]") {
  for (const int processes : {1, 2, 3}) {
    std::atomic<int> right{0};
    run_shards(processes, 3, [&](Communicator& shard) {
      std::vector<std::vector<float>> values;
      for (const std::size_t n : {std::size_t{5}, std::size_t{9000}, std::size_t{1}}) {
        values.push_back(values_of<float>(shard.index(), n));
      }
      shard.start_all_reduce_sum({values[0], values[1]});
      double one = 1.0;
      shard.all_reduce_sum(std::span<double>(&one, 1));
      shard.start_all_reduce_sum({values[2]});
      shard.finish();
      bool same = one == 3.0;
      for (const auto& v : values) same = same && same_bits(v, sum_of<float>(0, 3, v.size()));
      right += same;
    });
    CHECK(right == 3);
  }
}

TEST_CASE("Gathering, dealing, broadcasting and agreeing", "[core][shards]") {
  for (const int processes : {1, 2, 4}) {
    std::atomic<int> right{0};
    run_shards(processes, 4, [&](Communicator& shard) {
      const auto all = shard.all_gather(std::string(static_cast<std::size_t>(shard.index()), 'x'));
      bool good = all == std::vector<std::string>{"", "x", "xx", "xxx"};
      const auto dealt = deal(shard, 10, [](std::int64_t i) {
        return std::vector<double>(static_cast<std::size_t>(i % 3), static_cast<double>(i));
      });
      good =
          good && dealt.size() == 10 && dealt[8] == std::vector<double>{8, 8} && dealt[9].empty();
      std::vector<float> from_first(3, static_cast<float>(shard.index() + 5));
      shard.broadcast(from_first);
      good = good && from_first == std::vector<float>(3, 5.0f);
      good = good && shard.any(shard.index() == 2) && !shard.any(false);
      shard.barrier();
      right += good;
    });
    CHECK(right == 4);
  }
}

TEST_CASE("A failing shard ends the others of its process, and its error is the one reported",
          "[core][shards]") {
  AloneTransport transport;
  ShardGroup group(transport, 3);
  std::atomic<int> released{0};
  const auto work = [&](Communicator& shard) {
    struct CountsDown {
      ~CountsDown() { ++*count; }
      std::atomic<int>* count;
    } const counts{&released};
    if (shard.index() == 1) throw Error("image 7", "is damaged", "leave it out");
    shard.barrier();
  };
  CHECK_THROWS_WITH(group.run(work), Catch::Contains("image 7"));
  CHECK(released == 3);
}

TEST_CASE("Shards that part ways are found out", "[core][shards]") {
  AloneTransport transport;
  ShardGroup group(transport, 2);
  CHECK_THROWS_WITH(group.run([](Communicator& shard) {
    std::vector<float> values(shard.index() == 0 ? 3 : 4);
    shard.all_reduce_sum(std::span<float>(values));
  }),
                    Catch::Contains("different sizes"));
}

TEST_CASE("More processes than shards are refused, and shards share the threads out",
          "[core][shards]") {
  core_test::Mailboxes boxes;
  core_test::MailboxTransport transport(boxes, 1, 4);
  CHECK_THROWS_WITH(ShardGroup(transport, 2), Catch::Contains("--shards 4 or more"));
  const int before = thread_count();
  set_thread_count(5);
  std::atomic<int> sum{0}, most{0};
  AloneTransport alone;
  ShardGroup group(alone, 3);
  group.run([&](Communicator&) {
    sum += thread_count();
    int seen = most;
    while (seen < thread_count() && !most.compare_exchange_weak(seen, thread_count())) {
    }
  });
  CHECK(sum == 5);
  CHECK(most == 2);
  set_thread_count(before);
}

TEST_CASE("A batch falls into shards of whole images", "[core][shards]") {
  for (const std::int64_t images : {1, 7, 8, 100}) {
    for (const int shards : {1, 2, 3, 7}) {
      std::int64_t next = 0;
      for (int i = 0; i < shards; ++i) {
        const ShardRows rows = shard_rows(images, i, shards);
        CHECK(rows.first == next);
        CHECK(rows.count >= images / shards);
        CHECK(rows.count <= images / shards + 1);
        next += rows.count;
      }
      CHECK(next == images);
    }
  }
}
