#include "apps/run/directory_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "apps/run/processes.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

constexpr int kMostTries = 20;
constexpr std::chrono::milliseconds kPoll{100};

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return *name != '\0' ? name : "unknown";
}

/// What tells this machine's kernel, and with it its process ids and locks, from all others.
std::string machine_name() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id.empty() ? host_name() : id;
}

/// The record of an owner: machine, process, host, since when, and how many beats so far. Opened
/// anew each time: that is when NFS looks at the server.
std::string read_record(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Owner {
  std::string machine, host, since;
  long process = 0;
};
Owner parse(const std::string& record) {
  Owner owner;
  std::istringstream(record) >> owner.machine >> owner.process >> owner.host >> owner.since;
  return owner;
}

}  // namespace

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

DirectoryLock::DirectoryLock(const std::string& directory, Times times)
    : directory_(directory),
      owner_path_(directory + "/.owner"),
      machine_(machine_name()),
      started_(now_utc()),
      times_(times) {
  const std::string path = directory + "/.lock";
  lock_descriptor_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (lock_descriptor_ < 0) {
    throw Error(path, std::string("cannot be opened: ") + std::strerror(errno),
                "give a writable directory with --run");
  }
  try {
    claim(lock_by_kernel());
  } catch (...) {
    ::close(lock_descriptor_);
    throw;
  }
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, times_.beat, [this] { return stop_; })) beat();
  });
}

DirectoryLock::~DirectoryLock() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_one();
  thread_.join();
  // Unless another has taken over meanwhile: a suspended machine may have passed for dead.
  if (read_record(owner_path_) == record()) ::unlink(owner_path_.c_str());
  ::close(owner_descriptor_);
  ::close(lock_descriptor_);
}

bool DirectoryLock::lock_by_kernel() {
  if (::flock(lock_descriptor_, LOCK_EX | LOCK_NB) == 0) return true;
  const int reason = errno;
  if (reason == EWOULDBLOCK) refuse(read_record(owner_path_));
  if (reason == ENOLCK || reason == EOPNOTSUPP || reason == ENOSYS) return false;
  throw Error(directory_ + "/.lock", std::string("cannot be locked: ") + std::strerror(reason),
              "use another --run directory");
}

void DirectoryLock::claim(bool locked_by_kernel) {
  for (int tries = 0; tries < kMostTries; ++tries) {
    owner_descriptor_ = ::open(owner_path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (owner_descriptor_ >= 0) return beat();
    if (errno != EEXIST) {
      throw Error(owner_path_, std::string("cannot be created: ") + std::strerror(errno),
                  "give a writable directory with --run");
    }
    const std::string before = read_record(owner_path_);
    const Owner owner = parse(before);
    if (owner.machine == machine_) {
      // The lock is ours, so who held it here is gone. Without locks its process id tells.
      const bool lives = !locked_by_kernel && owner.process > 0 &&
                         (::kill(static_cast<pid_t>(owner.process), 0) == 0 || errno == EPERM);
      if (lives) refuse(before);
    } else {
      print_note(directory_ + ": process " + std::to_string(owner.process) + " on " +
                 (owner.host.empty() ? "another machine" : owner.host) +
                 " has worked here; looking whether it still does");
      const auto end = std::chrono::steady_clock::now() + times_.watch;
      std::string now = before;
      while (now == before && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(kPoll);
        now = read_record(owner_path_);
      }
      if (now.empty()) continue;  // it has just left
      if (now != before) refuse(now);
    }
    // Of several who come to this conclusion one succeeds; and what was moved away must be what was
    // found dead, not the record of one who was faster.
    const std::string aside = owner_path_ + "." + std::to_string(::getpid());
    if (std::rename(owner_path_.c_str(), aside.c_str()) != 0) continue;
    const std::string moved = read_record(aside);
    const bool was_dead = moved == before;
    if (!was_dead) std::rename(aside.c_str(), owner_path_.c_str());
    ::unlink(aside.c_str());
    if (!was_dead) refuse(moved);
  }
  throw Error(owner_path_, "keeps changing hands", "start one job at a time");
}

void DirectoryLock::refuse(const std::string& record) const {
  const Owner owner = parse(record);
  const std::string who = owner.process > 0 ? ": process " + std::to_string(owner.process) +
                                                  " on " + owner.host + " since " + owner.since
                                            : "";
  throw Error(directory_, "another intandem process works in this run directory" + who,
              "wait for it, or use another --run directory");
}

std::string DirectoryLock::record() const {
  return machine_ + " " + std::to_string(::getpid()) + " " + host_name() + " " + started_ + " " +
         std::to_string(beats_) + "\n";
}

void DirectoryLock::beat() {
  ++beats_;
  const std::string text = record();
  // What cannot be written (a full disk) costs protection, not the run.
  const auto written = ::pwrite(owner_descriptor_, text.data(), text.size(), 0);
  if (written == static_cast<ssize_t>(text.size())) ::fsync(owner_descriptor_);
}

}  // namespace intandem
