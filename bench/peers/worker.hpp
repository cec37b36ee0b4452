// A contender in a process of its own that answers one line with another.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>

namespace intandem::bench {

class Worker {
 public:
  /// Starts `command` by /bin/sh. Error if that fails.
  explicit Worker(const std::string& command);
  /// Closes its input and waits for it.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Sends a line, returns the answer without its end; Error if the process has ended.
  std::string ask(const std::string& line);

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace intandem::bench
