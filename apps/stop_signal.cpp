#include "apps/stop_signal.hpp"

#include <csignal>

namespace intandem {
namespace {

volatile std::sig_atomic_t requested = 0;

extern "C" void remember_signal(int) { requested = 1; }

}  // namespace

void watch_stop_signals() {
  requested = 0;
  struct sigaction action = {};
  action.sa_handler = remember_signal;
  // SA_RESETHAND: the second signal finds the default action.
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

bool stop_requested() { return requested != 0; }

}  // namespace intandem
