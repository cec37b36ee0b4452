// What the command line says about a sweep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace intandem {

/// On top of the file.
struct SweepOverrides {
  std::string data_dir;               ///< empty: the file's
  std::string dataset;                ///< of every teacher to be trained; empty: the file's
  std::vector<std::string> teachers;  ///< NAME=FILE: take this teacher instead of training it
  std::int64_t threads = 0;           ///< of every job; 0: all processors
};

struct SweepOptions {
  std::string file, run;     ///< run empty: runs/ and the file's name
  bool list = false;         ///< print the commands only
  std::string only;          ///< numbers of jobs; empty: all
  bool quiet = false;        ///< --quiet, for the jobs as well
  std::string program;       ///< what the program was called as
  SweepOverrides overrides;  ///< of the file
};

}  // namespace intandem
