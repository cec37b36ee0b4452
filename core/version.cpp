#include "core/version.hpp"

// Written by the Makefile into the build directory; absent when another build system compiles this.
#if __has_include("commit.hpp")
#include "commit.hpp"
#endif
#ifndef INTANDEM_COMMIT
#define INTANDEM_COMMIT "unknown"
#endif

namespace intandem {

std::string intandem_version() { return "0.1.0"; }

std::string intandem_commit() { return INTANDEM_COMMIT; }

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#else
  return "GCC " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." +
         std::to_string(__GNUC_PATCHLEVEL__);
#endif
}

}  // namespace intandem
