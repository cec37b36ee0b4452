#include "core/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace intandem {
namespace {

// AddressSanitizer sees a use after free only if blocks really are freed.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRecycle = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kRecycle = false;
#else
constexpr bool kRecycle = true;
#endif
#else
constexpr bool kRecycle = true;
#endif

// Blocks from this size on are placed for huge pages, which matter twice to a matrix product: fewer
// address translations, and lines that do not crowd into some sets of the second-level cache.
constexpr std::size_t kHugePage_bytes = std::size_t{2} << 20;

std::byte* new_block(std::size_t capacity_bytes) {
  const bool huge = capacity_bytes >= kHugePage_bytes;
  void* block = nullptr;
  if (posix_memalign(&block, huge ? kHugePage_bytes : kAlignment_bytes, capacity_bytes) != 0) {
    return nullptr;
  }
#if defined(MADV_HUGEPAGE)
  // A hint; a kernel without huge pages refuses it and nothing is lost.
  if (huge) static_cast<void>(madvise(block, capacity_bytes, MADV_HUGEPAGE));
#endif
  return static_cast<std::byte*>(block);
}

// A large request may also get a free block that is bigger by up to a quarter: activations come in
// many sizes, and a block kept for each of them would add up.
constexpr std::size_t kExactBelow_bytes = std::size_t{1} << 20;

std::size_t largest_fit(std::size_t wanted_bytes) {
  return wanted_bytes < kExactBelow_bytes ? wanted_bytes : wanted_bytes + wanted_bytes / 4;
}

struct Block {
  std::byte* data = nullptr;
  std::size_t capacity_bytes = 0;
};

class BlockCache {
 public:
  Block take(std::size_t wanted_bytes) {
    {
      const std::lock_guard lock(mutex_);
      for (auto list = free_.lower_bound(wanted_bytes);
           list != free_.end() && list->first <= largest_fit(wanted_bytes); ++list) {
        if (list->second.empty()) continue;
        const Block block = {list->second.back(), list->first};
        list->second.pop_back();
        use_.cached_bytes -= static_cast<std::int64_t>(block.capacity_bytes);
        count(static_cast<std::int64_t>(wanted_bytes));
        return block;
      }
    }
    const std::size_t capacity_bytes = wanted_bytes;
    std::byte* block = new_block(capacity_bytes);
    if (block == nullptr) {
      throw Error("memory", "cannot allocate " + std::to_string(capacity_bytes) + " bytes",
                  "use a smaller batch or network, or a machine with more memory");
    }
    const std::lock_guard lock(mutex_);
    count(static_cast<std::int64_t>(capacity_bytes));
    return {block, capacity_bytes};
  }

  void give_back(Block block, std::size_t wanted_bytes) {
    const std::lock_guard lock(mutex_);
    use_.live_bytes -= static_cast<std::int64_t>(wanted_bytes);
    if (!kRecycle) {
      std::free(block.data);
      return;
    }
    use_.cached_bytes += static_cast<std::int64_t>(block.capacity_bytes);
    free_[block.capacity_bytes].push_back(block.data);
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [capacity_bytes, list] : free_) {
      for (std::byte* block : list) std::free(block);
    }
    free_.clear();
    use_.cached_bytes = 0;
  }

  MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return use_;
  }

 private:
  void count(std::int64_t bytes) {
    use_.live_bytes += bytes;
    use_.peak_bytes = std::max(use_.peak_bytes, use_.live_bytes);
  }

  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

// Never destroyed: tensors with static storage duration may be freed after any static destructor.
BlockCache& cache() {
  static auto* instance = new BlockCache;
  return *instance;
}

}  // namespace

std::shared_ptr<std::byte> allocate_aligned(std::size_t size_bytes) {
  if (size_bytes > std::size_t{1} << 48) {
    throw Error("memory", "cannot allocate " + std::to_string(size_bytes) + " bytes",
                "check the sizes of the network and the batch");
  }
  const std::size_t wanted_bytes =
      std::max(kAlignment_bytes, (size_bytes + kAlignment_bytes - 1) & ~(kAlignment_bytes - 1));
  const Block block = cache().take(wanted_bytes);
  return {block.data,
          [block, wanted_bytes](std::byte*) { cache().give_back(block, wanted_bytes); }};
}

void release_cached_memory() { cache().release(); }

MemoryUse memory_use() { return cache().use(); }

}  // namespace intandem
