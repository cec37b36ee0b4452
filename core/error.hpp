// Errors that end a command: one line, what is wrong, what to do, and an exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace intandem {

/// Exit codes of every intandem command (README, "Exit codes").
enum class ExitCode : int {
  ok = 0,
  runtime = 1,       ///< data or run-time error
  usage = 2,         ///< bad command line or configuration
  mismatch = 3,      ///< verification found two different integers
  interrupted = 75,  ///< stopped with a checkpoint; run again with --resume
};

/// An error a user can act on. what() is "SUBJECT: PROBLEM; REMEDY", on one line.
class Error : public std::runtime_error {
 public:
  /// subject: the file, layer or option at fault. problem: what is wrong. remedy: what to do.
  Error(const std::string& subject, const std::string& problem, const std::string& remedy,
        ExitCode code = ExitCode::runtime);

  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws Error for a broken precondition inside the program (a bug or a shape that does not fit).
[[noreturn]] void fail_check(const char* file, int line, const std::string& message);

}  // namespace intandem

/// Precondition check that stays on in release builds; `message` is only evaluated on failure.
#define INTANDEM_CHECK(condition, message)                                   \
  do {                                                                       \
    if (!(condition)) ::intandem::fail_check(__FILE__, __LINE__, (message)); \
  } while (false)
