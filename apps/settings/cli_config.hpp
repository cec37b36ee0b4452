// Command-line flags made from the table of configuration keys.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/run/run_dir.hpp"
#include "apps/settings/config.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace intandem {

/// Collects what the user typed; applied after the configuration file, which flags override.
class ConfigFlags {
 public:
  /// Adds --config and one flag per key to `command`; booleans get --name and --no-name.
  void add_to(CLI::App& command, const ConfigKeys& keys);
  /// Configuration file first, then the flags.
  void apply(const ConfigKeys& keys) const;
  /// Whether the user gave one of these keys, by flag or by file.
  bool has_any(const std::vector<std::string>& names) const;

 private:
  std::string file_;
  std::vector<std::pair<std::string, std::string>> typed_;
};

/// Adds --run, --resume, --overwrite and --other-data.
void add_job_options(CLI::App& command, JobOptions& job);

/// Refuses "" for an option that names a file or directory: no path, and no default either.
void refuse_empty(CLI::Option& option);

}  // namespace intandem
