#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "core/control_group.hpp"
#include "core/memory.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// The number in a control group's file; no limit if it says "max" or is not there.
std::int64_t limit_in(const std::filesystem::path& file) {
  std::ifstream text(file);
  std::int64_t limit_bytes = 0;
  return text >> limit_bytes && limit_bytes > 0 ? limit_bytes : kNoLimit;
}

}  // namespace

std::int64_t control_group_limit_bytes(const std::string& membership, const std::string& root) {
  std::int64_t limit_bytes = kNoLimit;
  for (const ControlGroup& group : control_groups(membership, root, "memory")) {
    const char* file = group.version2 ? "memory.max" : "memory.limit_in_bytes";
    limit_bytes = std::min(limit_bytes, limit_in(group.directory / file));
  }
  return limit_bytes;
}

std::int64_t memory_limit_bytes() {
  const std::int64_t machine_bytes =
      std::int64_t{sysconf(_SC_PHYS_PAGES)} * std::int64_t{sysconf(_SC_PAGESIZE)};
  return std::min(machine_bytes, control_group_limit_bytes(own_membership(), kControlGroupRoot));
}

}  // namespace intandem
