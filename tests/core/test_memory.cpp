#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "core/memory.hpp"

using namespace intandem;

TEST_CASE("storage is aligned and rounded up to whole cache lines", "[core][memory]") {
  for (const std::size_t size_bytes : {0u, 1u, 63u, 64u, 65u, 4095u, 100'001u}) {
    const std::int64_t before = memory_use().live_bytes;
    const auto block = allocate_aligned(size_bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % kAlignment_bytes == 0);
    const std::int64_t capacity_bytes = memory_use().live_bytes - before;
    CHECK(capacity_bytes % 64 == 0);
    CHECK(capacity_bytes >= static_cast<std::int64_t>(size_bytes));
    CHECK(capacity_bytes < static_cast<std::int64_t>(size_bytes) + 65);
    std::memset(block.get(), 1, static_cast<std::size_t>(capacity_bytes));
  }
}

TEST_CASE("live and peak count what is handed out, releasing empties the cache", "[core][memory]") {
  const MemoryUse before = memory_use();
  constexpr std::int64_t kSize_bytes = 64 << 20;
  {
    const auto a = allocate_aligned(kSize_bytes);
    const auto b = allocate_aligned(kSize_bytes);
    CHECK(memory_use().live_bytes == before.live_bytes + 2 * kSize_bytes);
    CHECK(memory_use().peak_bytes >= before.live_bytes + 2 * kSize_bytes);
  }
  CHECK(memory_use().live_bytes == before.live_bytes);
  CHECK(memory_use().peak_bytes >= before.live_bytes + 2 * kSize_bytes);
  release_cached_memory();
  CHECK(memory_use().cached_bytes == 0);
}

TEST_CASE("a large block serves smaller requests again, but not much smaller ones",
          "[core][memory]") {
  release_cached_memory();
  constexpr std::size_t kLarge_bytes = 8 << 20;
  allocate_aligned(kLarge_bytes);
  const std::int64_t cached = memory_use().cached_bytes, live = memory_use().live_bytes;
  if (cached == 0) return;  // under AddressSanitizer nothing is kept
  REQUIRE(cached == kLarge_bytes);
  {
    const auto smaller = allocate_aligned(7 << 20);
    CHECK(memory_use().cached_bytes == 0);
    CHECK(memory_use().live_bytes == live + (7 << 20));
  }
  CHECK(memory_use().cached_bytes == kLarge_bytes);  // whole again
  {
    const auto half = allocate_aligned(4 << 20);
    CHECK(memory_use().cached_bytes == kLarge_bytes);
  }
  release_cached_memory();
}

TEST_CASE("a block that shares its pages outlives its neighbours' release", "[core][memory]") {
  constexpr std::size_t kSize_bytes = 100'000, kRounds = 400;  // more than one slab
  std::vector<std::shared_ptr<std::byte>> kept;
  for (std::size_t i = 0; i < kRounds; ++i) {
    const auto dropped = allocate_aligned(kSize_bytes + 64 * i);
    std::memset(dropped.get(), 255, kSize_bytes);
    kept.push_back(allocate_aligned(kSize_bytes));
    std::memset(kept.back().get(), static_cast<int>(i % 251), kSize_bytes);
    if (i % 50 == 0) release_cached_memory();
  }
  for (std::size_t i = 0; i < kRounds; ++i) {
    const auto mark = static_cast<std::byte>(i % 251);
    CHECK((kept[i].get()[0] == mark && kept[i].get()[kSize_bytes - 1] == mark));
  }
}

TEST_CASE("blocks live at the same time never overlap, across threads", "[core][memory]") {
  const auto work = [](unsigned char mark, bool* good) {
    for (int round = 0; round < 200; ++round) {
      std::vector<std::shared_ptr<std::byte>> blocks;
      for (std::size_t i = 0; i < 8; ++i) {
        blocks.push_back(allocate_aligned(64 * (1 + i % 3)));
        std::memset(blocks.back().get(), mark, 64);
      }
      for (const auto& block : blocks) {
        for (int i = 0; i < 64; ++i) *good = *good && block.get()[i] == std::byte{mark};
      }
    }
  };
  bool good[3] = {true, true, true};
  std::vector<std::thread> threads;
  for (unsigned char t = 0; t < 3; ++t) threads.emplace_back(work, t, &good[t]);
  for (std::thread& thread : threads) thread.join();
  CHECK((good[0] && good[1] && good[2]));
}

TEST_CASE("an impossible size is an error, not a crash", "[core][memory]") {
  const std::int64_t before = memory_use().live_bytes;
  CHECK_THROWS_AS(allocate_aligned(SIZE_MAX), Error);
  CHECK_THROWS_AS(allocate_aligned(std::size_t{1} << 60), Error);
  CHECK(memory_use().live_bytes == before);
}
