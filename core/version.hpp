// What this program is: written into every container and report.
#pragma once

#include <string>

namespace intandem {

/// "0.1.0"
std::string intandem_version();
/// The git commit it was built from, 12 digits, with "+dirty" when files differed; "unknown" when
/// it was not built from a git clone.
std::string intandem_commit();
/// "GCC 12.2.0", "Clang 14.0.6"
std::string compiler_name();

}  // namespace intandem
