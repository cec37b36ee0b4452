#include "core/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
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

// Blocks from kSlab_bytes on are placed on huge pages of their own, those down to kPaged_bytes on a
// slab that they share, in the order of allocation. It matters twice to a matrix product: fewer
// address translations (each page of cold weights otherwise costs a walk through cold tables), and
// lines that do not crowd into some sets of the second-level cache.
constexpr std::size_t kHugePage_bytes = std::size_t{2} << 20;
constexpr std::size_t kSlab_bytes = std::size_t{16} << 20, kPaged_bytes = std::size_t{32} << 10;

struct Free {
  void operator()(std::byte* block) const { std::free(block); }
};

std::unique_ptr<std::byte, Free> new_pages(std::size_t size_bytes, std::size_t alignment_bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, alignment_bytes, size_bytes) != 0) block = nullptr;
  return std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(block));
}

std::unique_ptr<std::byte, Free> new_huge_pages(std::size_t size_bytes) {
  const std::size_t whole_bytes =
      (size_bytes + kHugePage_bytes - 1) / kHugePage_bytes * kHugePage_bytes;
  auto block = new_pages(whole_bytes, kHugePage_bytes);
#if defined(MADV_HUGEPAGE)
  // A hint; a kernel without huge pages refuses it and nothing is lost.
  if (block) static_cast<void>(madvise(block.get(), whole_bytes, MADV_HUGEPAGE));
#endif
  return block;
}

// A large request may also get a free block that is bigger by up to a quarter: activations come in
// many sizes, and a block kept for each of them would add up.
constexpr std::size_t kExactBelow_bytes = std::size_t{1} << 20;

std::size_t largest_fit(std::size_t wanted_bytes) {
  return wanted_bytes < kExactBelow_bytes ? wanted_bytes : wanted_bytes + wanted_bytes / 4;
}

/// A block owns its memory alone or keeps the slab alive that it is a part of.
struct Block {
  std::shared_ptr<std::byte> data;
  std::size_t capacity_bytes = 0;
};

class BlockCache {
 public:
  Block take(std::size_t wanted_bytes) {
    const std::lock_guard lock(mutex_);
    for (auto list = free_.lower_bound(wanted_bytes);
         list != free_.end() && list->first <= largest_fit(wanted_bytes); ++list) {
      if (list->second.empty()) continue;
      const Block block = {std::move(list->second.back()), list->first};
      list->second.pop_back();
      use_.cached_bytes -= static_cast<std::int64_t>(block.capacity_bytes);
      count(static_cast<std::int64_t>(wanted_bytes));
      return block;
    }
    const Block block = {new_block(wanted_bytes), wanted_bytes};
    if (block.data == nullptr) {
      throw Error("memory", "cannot allocate " + std::to_string(wanted_bytes) + " bytes",
                  "use a smaller batch or network, or a machine with more memory");
    }
    count(static_cast<std::int64_t>(wanted_bytes));
    return block;
  }

  void give_back(Block block, std::size_t wanted_bytes) {
    const std::lock_guard lock(mutex_);
    use_.live_bytes -= static_cast<std::int64_t>(wanted_bytes);
    if (!kRecycle) return;
    use_.cached_bytes += static_cast<std::int64_t>(block.capacity_bytes);
    free_[block.capacity_bytes].push_back(block.data);
  }

  void release() {
    const std::lock_guard lock(mutex_);
    free_.clear();
    slab_ = nullptr;
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

  std::shared_ptr<std::byte> new_block(std::size_t size_bytes) {
    if (size_bytes >= kSlab_bytes) return new_huge_pages(size_bytes);
    if (!kRecycle || size_bytes < kPaged_bytes) return new_pages(size_bytes, kAlignment_bytes);
    if (slab_ == nullptr || slab_used_bytes_ + size_bytes > kSlab_bytes) {
      slab_ = new_huge_pages(kSlab_bytes);
      slab_used_bytes_ = 0;
    }
    if (slab_ == nullptr) return nullptr;
    std::byte* const block = slab_.get() + slab_used_bytes_;
    slab_used_bytes_ += size_bytes;
    return {slab_, block};
  }

  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::shared_ptr<std::byte>>> free_;
  std::shared_ptr<std::byte> slab_;  ///< the newest, used up to slab_used_bytes_
  std::size_t slab_used_bytes_ = 0;
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
  return {block.data.get(),
          [block, wanted_bytes](std::byte*) { cache().give_back(block, wanted_bytes); }};
}

void release_cached_memory() { cache().release(); }

MemoryUse memory_use() { return cache().use(); }

}  // namespace intandem
