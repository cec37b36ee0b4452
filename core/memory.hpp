// 64-byte aligned storage, recycled through a cache so that a training step does not fault in
// fresh pages for every activation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace intandem {

inline constexpr std::size_t kAlignment_bytes = 64;

/// Returns `size_bytes` of storage aligned to 64 bytes; contents are unspecified. The capacity is
/// rounded up to a multiple of 64, so vector loads may run to the end of the last cache line.
/// Freed blocks go to a process-wide cache, from which requests of the same size, and for large
/// ones of slightly smaller sizes, are served. 32 KiB and more asks for huge pages. Thread safe.
std::shared_ptr<std::byte> allocate_aligned(std::size_t size_bytes);

/// Releases every cached block to the operating system.
void release_cached_memory();

/// Bytes handed out and not yet freed, the highest that number has been, and bytes in the cache.
struct MemoryUse {
  std::int64_t live_bytes = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t cached_bytes = 0;
};
MemoryUse memory_use();

/// What this process may use: the machine's memory, or less where a control group (a container, a
/// SLURM job) limits it.
std::int64_t memory_limit_bytes();
/// The tightest limit of the groups in `membership` (the text of /proc/self/cgroup), whose files
/// lie under `root`; the largest integer if there is none.
std::int64_t control_group_limit_bytes(const std::string& membership, const std::string& root);

}  // namespace intandem
