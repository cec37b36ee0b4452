// Runs the real program, and makes up a small dataset it can learn.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/data/temporary_directory.hpp"

extern char** environ;

namespace intandem::apps_test {

using data_test::TemporaryDirectory;

/// The program under test: INTANDEM_BIN, or `intandem` beside the test runner; "" if neither is.
inline std::string program() {
  if (const char* path = std::getenv("INTANDEM_BIN"); path != nullptr && *path != '\0') {
    return std::filesystem::absolute(path);
  }
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "intandem";
  return std::filesystem::exists(beside) ? beside.string() : std::string();
}

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Outcome {
  int code = -1;  ///< exit code; 128 + signal if killed
  std::string out, err;
};

/// Runs `words` (the first is searched in PATH); while it runs, calls watch(process id) if given.
inline Outcome run_words(const TemporaryDirectory& scratch, const std::vector<std::string>& words,
                         const std::function<void(pid_t)>& watch = {}) {
  const std::string out = scratch.path("stdout"), err = scratch.path("stderr");
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0666);
  posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0666);
  // Under nohup the tests ignore SIGHUP, and so would the program, which keeps what it inherits.
  sigset_t hang_up;
  sigemptyset(&hang_up);
  sigaddset(&hang_up, SIGHUP);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &hang_up);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  REQUIRE(failed == 0);
  if (watch) watch(child);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, slurp(out), slurp(err)};
}

inline Outcome run(const TemporaryDirectory& scratch, std::vector<std::string> arguments,
                   const std::function<void(pid_t)>& watch = {}) {
  arguments.insert(arguments.begin(), program());
  return run_words(scratch, arguments, watch);
}

/// `text` without the note on threads, which every command gives where OMP_NUM_THREADS asks for
/// more than there are processors.
inline std::string without_thread_note(const std::string& text) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("threads asked for") == std::string::npos) kept += line + "\n";
  }
  return kept;
}

/// CHECKs exit code, silence on standard output and exactly one line on standard error, which
/// starts as every error does and holds all of `parts`.
inline void check_one_error(const Outcome& outcome, int code,
                            const std::vector<std::string>& parts) {
  INFO("standard error: " << outcome.err);
  CHECK(outcome.code == code);
  CHECK(outcome.out.empty());
  const std::string err = without_thread_note(outcome.err);
  CHECK_THAT(err, Catch::StartsWith("intandem: error: "));
  CHECK(std::count(err.begin(), err.end(), '\n') == 1);
  for (const std::string& part : parts) CHECK_THAT(err, Catch::Contains(part));
}

/// Sends `signal` once `file` exists (or the process has ended).
inline std::function<void(pid_t)> signal_after(const std::string& file, int signal) {
  return [file, signal](pid_t child) {
    siginfo_t ended{};
    while (!std::filesystem::exists(file)) {
      if (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          ended.si_pid == child) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, signal);
  };
}

/// Ten classes of 28×28 images that differ in where a bright bar lies, with a bit of noise.
inline std::string bar_images(std::size_t count) {
  std::string pixels;
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t label = n % 10;
    for (std::size_t y = 0; y < 28; ++y) {
      for (std::size_t x = 0; x < 28; ++x) {
        const std::size_t along = label < 5 ? y : x;
        const bool bright = along / 5 == label % 5;
        const std::size_t noise = (n * 31 + y * 17 + x * 7 + x * y * n) % 61;
        pixels += static_cast<char>((bright ? 150 : 20) + noise);
      }
    }
  }
  return pixels;
}

inline std::string bar_labels(std::size_t count) {
  std::string labels;
  for (std::size_t n = 0; n < count; ++n) labels += static_cast<char>(n % 10);
  return labels;
}

/// The four files of a Fashion-MNIST directory; returns it.
inline std::string write_bars(const TemporaryDirectory& scratch, std::size_t train = 320,
                              std::size_t test = 100) {
  for (const auto& [part, count] : {std::pair{"train", train}, std::pair{"t10k", test}}) {
    const auto n = static_cast<std::uint32_t>(count);
    const std::string stem = std::string("data/") + part;
    scratch.write(stem + "-images-idx3-ubyte.gz",
                  data_test::gzip(data_test::idx_file({n, 28, 28}, bar_images(count))));
    scratch.write(stem + "-labels-idx1-ubyte.gz",
                  data_test::gzip(data_test::idx_file({n}, bar_labels(count))));
  }
  return scratch.path("data");
}

/// Arguments of a training run that takes a moment.
inline std::vector<std::string> small_train(const std::string& data, const std::string& run_dir) {
  return {"train",   "--run",     run_dir,   "--data-dir", data,       "--held-out", "40",
          "--width", "0.1",       "--batch", "20",         "--epochs", "2",          "--lr",
          "0.05",    "--threads", "1",       "--quiet",    "--shift",  "1",          "--no-flip"};
}

inline std::vector<std::string> small_distill(const std::string& run_dir) {
  return {"distill", "--run",
          run_dir,   "--batch",
          "20",      "--epochs-per-stage",
          "0.5",     "--evals-per-stage",
          "2",       "--joint-epochs",
          "1",       "--joint-evals",
          "2",       "--calibration-images",
          "100",     "--threads",
          "1",       "--quiet"};
}

inline std::vector<std::string> with(std::vector<std::string> words,
                                     const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace intandem::apps_test

#define INTANDEM_NEED_PROGRAM()                                                       \
  if (::intandem::apps_test::program().empty()) {                                     \
    INTANDEM_SKIP("no program: set INTANDEM_BIN or build it beside the test runner"); \
  }
