#include "core/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace intandem {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(5);
constexpr std::int64_t kBarWidth = 24;

bool quiet = false;
thread_local bool thread_quiet = false;

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

std::size_t terminal_columns() {
  struct winsize size = {};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// "42 s", "3 min 05 s", "2 h 07 min"
std::string duration(double seconds) {
  const auto total = static_cast<long long>(seconds + 0.5);
  char text[48];
  if (total < 60) {
    std::snprintf(text, sizeof text, "%lld s", total);
  } else if (total < 3600) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", total / 60, total % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld h %02lld min", total / 3600, total / 60 % 60);
  }
  return text;
}

}  // namespace

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)),
      total_(std::max<std::int64_t>(1, total)),
      terminal_(is_terminal()),
      start_(Clock::now()),
      last_print_(start_) {}

Progress::~Progress() {
  if (!finished_) finish();
}

void Progress::set_quiet(bool value) { quiet = value; }
void Progress::set_thread_quiet(bool value) { thread_quiet = value; }

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = std::clamp<std::int64_t>(done, 0, total_);
  const auto now = Clock::now();
  if (now - last_print_ < (terminal_ ? Clock::duration(kBarInterval) : kLineInterval)) return;
  last_print_ = now;
  print(done_, note, false);
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  print(done_, note, true);
}

void Progress::print(std::int64_t done, const std::string& note, bool last) {
  if (quiet || thread_quiet) return;
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  std::string text = label_;
  if (terminal_ && !last) {
    const std::int64_t filled = done * kBarWidth / total_;
    text += " [" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "]";
  } else {
    text += ":";
  }
  text += " " + std::to_string(done) + "/" + std::to_string(total_) + ", " + duration(elapsed);
  if (!last && done > 0) {
    const double left = elapsed * static_cast<double>(total_ - done) / static_cast<double>(done);
    text += ", about " + duration(left) + " left";
  }
  if (!note.empty()) text += ", " + note;
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", text.c_str());
    return;
  }
  // A bar wider than the terminal would wrap and no longer be overwritten by the next one.
  const std::size_t columns = terminal_columns();
  if (!last && text.size() >= columns) text.resize(columns - 1);
  std::fprintf(stderr, "\r%s\x1b[K%s", text.c_str(), last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace intandem
