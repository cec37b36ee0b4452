// The arguments of the commands that have no configuration file.
#pragma once

#include "apps/commands/commands.hpp"

namespace CLI {
class App;
}

namespace intandem {

/// Adds the arguments that set `options` to `command`; options must outlive the parsing.
void add_options(CLI::App& command, VerifyOptions& options);
void add_options(CLI::App& command, EvalOptions& options);
void add_options(CLI::App& command, PackCommandOptions& options);
void add_options(CLI::App& command, InspectOptions& options);
void add_options(CLI::App& command, InferOptions& options);
void add_options(CLI::App& command, ExportOptions& options);
void add_options(CLI::App& command, TraceOptions& options);
void add_options(CLI::App& command, ReportOptions& options);

}  // namespace intandem
