// Runs the program as several processes of mpirun.
#pragma once

#include <functional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "core/mpi_transport.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

namespace intandem::apps_test {

inline bool have_mpi() {
  return mpi_description() != "none" && std::system("mpirun --version >/dev/null 2>&1") == 0;
}

/// `words`, a program and what it is given, by mpirun; 0 ranks: without mpirun.
inline Outcome launch_ranks(const TemporaryDirectory& scratch, int ranks,
                            std::vector<std::string> words,
                            const std::function<void(pid_t)>& watch = {}) {
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
  if (ranks > 0) {
    const std::vector<std::string> launcher = {"mpirun", "-np", std::to_string(ranks), "--bind-to",
                                               "none"};
    words.insert(words.begin(), launcher.begin(), launcher.end());
  }
  return run_words(scratch, words, watch);
}

/// The program under test.
inline Outcome run_ranks(const TemporaryDirectory& scratch, int ranks,
                         std::vector<std::string> arguments,
                         const std::function<void(pid_t)>& watch = {}) {
  arguments.insert(arguments.begin(), program());
  return launch_ranks(scratch, ranks, std::move(arguments), watch);
}

/// A file's figures without its times, and a log line by line without them.
inline std::string figures(const std::string& path) {
  static const std::regex times(R"~("([a-z]*_?seconds|seconds_[a-z]*)": ?[0-9.e+-]+)~");
  return std::regex_replace(slurp(path), times, "\"$1\": 0");
}

}  // namespace intandem::apps_test

#define INTANDEM_NEED_MPI() \
  INTANDEM_NEED_PROGRAM();  \
  if (!have_mpi())          \
  INTANDEM_SKIP("no mpirun, or built without MPI: install libopenmpi-dev openmpi-bin")
