// How many processors this process may keep busy.
#pragma once

#include <string>

namespace intandem {

/// The processors that its affinity mask leaves it, or fewer where a control group (a container, a
/// job) limits its time: a quota of 1.5 processors counts as 2. At least 1.
int usable_processors();

/// The tightest quota, rounded up, of the groups in `membership` (the text of /proc/self/cgroup),
/// whose files lie under `root`; the largest int if there is none.
int control_group_processors(const std::string& membership, const std::string& root);

}  // namespace intandem
