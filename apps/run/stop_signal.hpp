// SIGTERM, SIGINT and SIGHUP ask a long command to write a checkpoint and stop.
#pragma once

namespace intandem {

/// From here a signal ends the process at once with ExitCode::interrupted: while images are read,
/// and in jobs of seconds, there is nothing to keep, and --resume begins where the job was before.
void exit_on_stop_signals();

/// From here a signal is remembered for stop_requested(); a second one ends the process at once.
/// Signals that were ignored when the process began (nohup) stay ignored, here and above.
void watch_stop_signals();

/// Whether a signal has arrived since watch_stop_signals().
bool stop_requested();

}  // namespace intandem
