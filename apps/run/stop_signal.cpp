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

void handle_stop_signals(void (*handler)(int)) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = handler;
    // SA_RESETHAND: the second signal finds the default action.
    action.sa_flags = SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void exit_on_stop_signals() { handle_stop_signals(exit_now); }

void watch_stop_signals() {
  requested = 0;
  handle_stop_signals(remember_signal);
}

bool stop_requested() { return requested != 0; }

}  // namespace intandem
