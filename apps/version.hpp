// Which build of the program this is.
#pragma once

#include <string>

namespace intandem {

/// "0.1.0"
std::string version();
/// Abbreviated commit the program was built from, "-dirty" if files were changed; "unknown" when
/// built outside a git checkout.
std::string commit();

}  // namespace intandem
