// A directory for the files a test makes up, gone when the test ends, and checks of error messages.
#pragma once

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace intandem::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("intandem-test-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  /// Writes bytes to a file, making its folder; returns its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

/// CHECKs that f() throws an intandem::Error whose message holds every one of `parts`.
template <class F>
void check_error(const F& f, const std::vector<std::string>& parts) {
  std::string message = "no intandem::Error was thrown";
  try {
    f();
  } catch (const Error& error) {
    message = error.what();
  }
  for (const std::string& part : parts) CHECK_THAT(message, Catch::Contains(part));
}

}  // namespace intandem::test
