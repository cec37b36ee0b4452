// The arguments of `intandem trace`.
#pragma once

#include "apps/commands/commands.hpp"

namespace CLI {
class App;
}

namespace intandem {

void add_trace_options(CLI::App& command, TraceOptions& options);

}  // namespace intandem
