#include "apps/run/stop_signal.hpp"

#include <unistd.h>

#include <csignal>

#include "core/error.hpp"

namespace intandem {
namespace {

volatile std::sig_atomic_t requested = 0;

extern "C" void remember_signal(int) { requested = 1; }

extern "C" void exit_now(int) {
  constexpr char kText[] = "stopped with nothing to keep; go on with --resume\n";
  const auto ignored = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  static_cast<void>(ignored);
  ::_exit(static_cast<int>(ExitCode::interrupted));
}

void handle_stop_signals(void (*handler)(int), int flags) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = handler;
    action.sa_flags = flags | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

// The handler stays: another thread may get a second signal before the first one's _exit, and its
// default action would lose the exit code.
void exit_on_stop_signals() { handle_stop_signals(exit_now, 0); }

void watch_stop_signals() {
  requested = 0;
  // SA_RESETHAND: the second signal finds the default action.
  handle_stop_signals(remember_signal, SA_RESETHAND);
}

bool stop_requested() { return requested != 0; }

}  // namespace intandem
