#include "core/control_group.hpp"

#include <fstream>
#include <sstream>

namespace intandem {

std::vector<ControlGroup> control_groups(const std::string& membership, const std::string& root,
                                         const std::string& controller) {
  std::vector<ControlGroup> groups;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    // "0::/path" (version 2) or "4:cpu,memory:/path" (version 1).
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (!version2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) {
      continue;
    }
    const std::filesystem::path base = version2 ? root : root + "/" + controller;
    std::filesystem::path group = line.substr(second + 1);
    for (group = group.relative_path(); !group.empty(); group = group.parent_path()) {
      groups.push_back({base / group, version2});
    }
    groups.push_back({base, version2});
  }
  return groups;
}

std::string own_membership() {
  std::ifstream file("/proc/self/cgroup");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace intandem
