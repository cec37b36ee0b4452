// Who may work in a run directory.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "apps/run/directory_lock.hpp"
#include "core/error.hpp"
#include "tests/apps/command_line.hpp"

using namespace intandem;
using apps_test::slurp;
using data_test::check_error;
using data_test::TemporaryDirectory;

namespace {

constexpr DirectoryLock::Times kFast{std::chrono::milliseconds(50), std::chrono::milliseconds(600)};

void write_owner(const std::string& directory, long beats) {
  std::ofstream(directory + "/.owner")
      << "other-machine 4711 node7 2026-12-01T00:00:00Z " << beats << "\n";
}

}  // namespace

TEST_CASE("the second process in a run directory is refused, and the owner named", "[apps][lock]") {
  const TemporaryDirectory scratch;
  const std::string directory = scratch.path("");
  {
    const DirectoryLock lock(directory, kFast);
    check_error([&] { DirectoryLock second(directory, kFast); },
                {"another intandem process", "process " + std::to_string(getpid()), "since 20"});
    CHECK(std::filesystem::exists(directory + "/.owner"));
  }
  CHECK_FALSE(std::filesystem::exists(directory + "/.owner"));
  const DirectoryLock again(directory, kFast);
}

TEST_CASE("a live owner on another machine is found out although the kernel knows no lock of it",
          "[apps][lock]") {
  const TemporaryDirectory scratch;
  const std::string directory = scratch.path("");
  std::atomic<bool> stop{false};
  write_owner(directory, 1);
  std::thread other([&] {
    for (long beats = 2; !stop; ++beats) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      write_owner(directory, beats);
    }
  });
  check_error([&] { DirectoryLock lock(directory, kFast); },
              {"another intandem process", "process 4711 on node7 since 2026-12-01T00:00:00Z"});
  stop = true;
  other.join();
  // Now it is dead, and what it left is taken over after a while.
  const auto begin = std::chrono::steady_clock::now();
  {
    const DirectoryLock lock(directory, kFast);
    CHECK(std::chrono::steady_clock::now() - begin >= kFast.watch);
    CHECK_THAT(slurp(directory + "/.owner"), Catch::Contains(" " + std::to_string(getpid()) + " "));
  }
  CHECK_FALSE(std::filesystem::exists(directory + "/.owner"));
}

TEST_CASE("an owner writes anew that it lives", "[apps][lock]") {
  const TemporaryDirectory scratch;
  const std::string directory = scratch.path("");
  const DirectoryLock lock(directory, kFast);
  const std::string before = slurp(directory + "/.owner");
  std::string after = before;
  for (int i = 0; i < 200 && after == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    after = slurp(directory + "/.owner");
  }
  CHECK(after != before);
}

TEST_CASE("what a killed process left on this machine is taken over at once", "[apps][lock]") {
  const TemporaryDirectory scratch;
  const std::string directory = scratch.path("");
  const pid_t child = fork();
  if (child == 0) {
    const DirectoryLock lock(directory, kFast);
    std::ofstream(directory + "/ready") << "1";
    for (;;) pause();
  }
  while (!std::filesystem::exists(directory + "/ready")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  check_error([&] { DirectoryLock lock(directory, kFast); },
              {"another intandem process", "process " + std::to_string(child)});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  REQUIRE(std::filesystem::exists(directory + "/.owner"));
  const DirectoryLock lock(directory, DirectoryLock::Times{});
}
