// The command line: which commands and options there are, and what they are called.
#pragma once

namespace intandem {

/// Parses the arguments, runs the command and returns the exit code. Errors in the arguments are
/// thrown as Error with code `usage`; --help and --version print and return 0.
int run_cli(int argc, const char* const* argv);

}  // namespace intandem
