#include "apps/version.hpp"

// The Makefile passes the commit to this file alone, so that a commit rebuilds nothing else.
#ifndef INTANDEM_COMMIT
#define INTANDEM_COMMIT "unknown"
#endif

namespace intandem {

std::string version() { return "0.1.0"; }

std::string commit() { return INTANDEM_COMMIT; }

}  // namespace intandem
