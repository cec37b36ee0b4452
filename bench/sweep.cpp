#include "bench/sweep.hpp"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/parallel.hpp"

namespace intandem::bench {
namespace {

constexpr std::int64_t kLeast_bytes = std::int64_t{128} << 20, kMost_bytes = std::int64_t{1} << 30;
constexpr std::int64_t kLine_bytes = 64;

}  // namespace

std::int64_t sweep_bytes() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  const std::int64_t cache_bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#else
  const std::int64_t cache_bytes = 0;
#endif
  return std::clamp(2 * cache_bytes, kLeast_bytes, kMost_bytes);
}

void sweep_caches() {
  static std::vector<char> other(static_cast<std::size_t>(sweep_bytes()));
  const auto size = static_cast<std::int64_t>(other.size());
  const std::int64_t threads = thread_count();
  parallel_workers(threads, [&](std::int64_t i) {
    for (std::int64_t at = size * i / threads; at < size * (i + 1) / threads; at += kLine_bytes) {
      ++other[static_cast<std::size_t>(at)];
    }
  });
  __asm__ volatile("" : : "r"(other.data()) : "memory");
}

}  // namespace intandem::bench
