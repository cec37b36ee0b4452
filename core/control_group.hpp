// Where Linux says what a container or a job of a cluster may use.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace intandem {

/// One group that limits a process.
struct ControlGroup {
  std::filesystem::path directory;  ///< of its files; need not exist
  bool version2 = true;             ///< which of the two sets of file names it has
};

/// The groups that limit `controller` ("memory", "cpu") for a process whose /proc/self/cgroup holds
/// `membership`, from the inside out, with their files under `root`. Every group on the way to the
/// root limits what is inside it. Inside a container the path is often that of the host, and only
/// the root is there.
std::vector<ControlGroup> control_groups(const std::string& membership, const std::string& root,
                                         const std::string& controller);

/// The text of /proc/self/cgroup; empty where there is none.
std::string own_membership();

/// Where the groups' files of this process are.
inline constexpr const char* kControlGroupRoot = "/sys/fs/cgroup";

}  // namespace intandem
