// SIGTERM and SIGINT ask a long command to write a checkpoint and stop.
#pragma once

namespace intandem {

/// Installs the handlers. A second signal ends the process at once.
void watch_stop_signals();

/// Whether a signal has arrived since watch_stop_signals().
bool stop_requested();

}  // namespace intandem
