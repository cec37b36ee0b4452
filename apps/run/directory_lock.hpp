// One process at a time in a run directory, on this machine and, over a network file system, on
// any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace intandem {

/// The time, as records of owners and of runs hold it: "2026-12-01T06:58:27Z".
std::string now_utc();

/// Exclusive use of a directory while the object lives, by two means:
///
///   .lock    is locked by flock(), which the kernel takes back from a killed process. Linux passes
///            it on to NFS servers; some network file systems know it on one machine only.
///   .owner   says who works here, and is written anew every `beat`. Who finds that of another
///            machine looks on for `watch`: if it changes, its owner lives. No clock is compared.
///
/// What a killed process left is taken over: at once on the same machine, after `watch` on another.
class DirectoryLock {
 public:
  struct Times {
    std::chrono::milliseconds beat{4000}, watch{14000};
  };
  /// Error naming the owner's host, process and time if another process works there.
  explicit DirectoryLock(const std::string& directory) : DirectoryLock(directory, Times()) {}
  DirectoryLock(const std::string& directory, Times times);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  /// Whether the kernel lets us in; false: it has no locks here.
  bool lock_by_kernel();
  void claim(bool locked_by_kernel);
  [[noreturn]] void refuse(const std::string& owner) const;
  std::string record() const;
  void beat();

  std::string directory_, owner_path_, machine_, started_;
  Times times_;
  int lock_descriptor_ = -1, owner_descriptor_ = -1;
  long beats_ = 0;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace intandem
