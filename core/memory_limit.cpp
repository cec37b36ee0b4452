#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

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
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    // "0::/path" (version 2) or "4:memory:/path" (version 1).
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && ("," + controllers + ",").find(",memory,") == std::string::npos) continue;
    const std::filesystem::path base = version2 ? root : root + "/memory";
    const char* file = version2 ? "memory.max" : "memory.limit_in_bytes";
    // Every group on the way to the root limits what is inside it. Inside a container the path is
    // often that of the host, and only the root is there.
    std::filesystem::path group = line.substr(second + 1);
    for (group = group.relative_path(); !group.empty(); group = group.parent_path()) {
      limit_bytes = std::min(limit_bytes, limit_in(base / group / file));
    }
    limit_bytes = std::min(limit_bytes, limit_in(base / file));
  }
  return limit_bytes;
}

std::int64_t memory_limit_bytes() {
  std::ifstream file("/proc/self/cgroup");
  std::stringstream membership;
  membership << file.rdbuf();
  const std::int64_t machine_bytes =
      std::int64_t{sysconf(_SC_PHYS_PAGES)} * std::int64_t{sysconf(_SC_PAGESIZE)};
  return std::min(machine_bytes, control_group_limit_bytes(membership.str(), "/sys/fs/cgroup"));
}

}  // namespace intandem
