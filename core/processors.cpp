#include "core/processors.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>

#include "core/control_group.hpp"

namespace intandem {
namespace {

/// The number in a file; 0 if it says "max" or is not there.
std::int64_t number_in(std::istream& file) {
  std::int64_t number = 0;
  return file >> number ? number : 0;
}

}  // namespace

int control_group_processors(const std::string& membership, const std::string& root) {
  std::int64_t processors = std::numeric_limits<int>::max();
  for (const ControlGroup& group : control_groups(membership, root, "cpu")) {
    // Microseconds of processor time per period; -1 or "max": no limit.
    std::ifstream quota_file(group.directory / (group.version2 ? "cpu.max" : "cpu.cfs_quota_us"));
    std::ifstream period_file(group.directory / "cpu.cfs_period_us");
    const std::int64_t quota = number_in(quota_file);
    const std::int64_t period = number_in(group.version2 ? quota_file : period_file);
    if (quota <= 0 || period <= 0) continue;
    processors = std::min(processors, (quota - 1) / period + 1);
  }
  return static_cast<int>(processors);
}

int usable_processors() {
  static const int quota = control_group_processors(own_membership(), kControlGroupRoot);
  return std::max(1, std::min(omp_get_num_procs(), quota));
}

}  // namespace intandem
