#include "apps/run/shell.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "apps/run/stop_signal.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

}  // namespace

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                          "YZ0123456789_-+=./,:@%") == std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

std::string own_program() {
  std::error_code failed;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw Error("/proc/self/exe", "cannot be read", "mount /proc");
  return path.string();
}

int run_child(const std::string& program, const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    throw Error(program, std::string("cannot be started: ") + std::strerror(errno),
                "free memory or processes");
  }
  if (child == 0) {
    // Ctrl-C reaches this process alone: the child gets one signal, passed on, not two.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  bool passed_on = false;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (ended < 0 && errno != EINTR) {
      throw Error(program, std::string("cannot be waited for: ") + std::strerror(errno),
                  "run the sweep again");
    }
    if (stop_requested() && !passed_on) passed_on = ::kill(child, SIGTERM) == 0;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace intandem
