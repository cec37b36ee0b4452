#include "core/memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace intandem {
namespace {

class BlockCache {
 public:
  std::byte* take(std::size_t capacity_bytes) {
    {
      const std::lock_guard lock(mutex_);
      use_.live_bytes += static_cast<std::int64_t>(capacity_bytes);
      use_.peak_bytes = std::max(use_.peak_bytes, use_.live_bytes);
      auto& list = free_[capacity_bytes];
      if (!list.empty()) {
        std::byte* block = list.back();
        list.pop_back();
        use_.cached_bytes -= static_cast<std::int64_t>(capacity_bytes);
        return block;
      }
    }
    auto* block = static_cast<std::byte*>(std::aligned_alloc(kAlignment_bytes, capacity_bytes));
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }

  void give_back(std::byte* block, std::size_t capacity_bytes) {
    const std::lock_guard lock(mutex_);
    use_.live_bytes -= static_cast<std::int64_t>(capacity_bytes);
    use_.cached_bytes += static_cast<std::int64_t>(capacity_bytes);
    free_[capacity_bytes].push_back(block);
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
  const std::size_t capacity_bytes =
      std::max(kAlignment_bytes, (size_bytes + kAlignment_bytes - 1) & ~(kAlignment_bytes - 1));
  std::byte* block = cache().take(capacity_bytes);
  return {block, [capacity_bytes](std::byte* p) { cache().give_back(p, capacity_bytes); }};
}

void release_cached_memory() { cache().release(); }

MemoryUse memory_use() { return cache().use(); }

}  // namespace intandem
