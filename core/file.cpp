#include "core/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "core/error.hpp"

namespace intandem {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp.";
constexpr const char* kWriteRemedy = "check free space and permissions";

std::string reason(int error) { return std::generic_category().message(error); }

// A write past the file size limit (ulimit -f) raises SIGXFSZ, which kills the process; ignored,
// the write fails with EFBIG and becomes an Error like a full disk.
void ignore_file_size_signal() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction current = {};
    if (::sigaction(SIGXFSZ, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      std::signal(SIGXFSZ, SIG_IGN);
    }
  });
}

// Writes everything or returns errno.
int write_all(int descriptor, const char* data, std::size_t size) {
  while (size > 0) {
    const ::ssize_t written = ::write(descriptor, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return 0;
}

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Makes a rename durable. File systems that cannot sync a directory say EINVAL; that is no error.
int sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno == EACCES ? 0 : errno;
  const int error = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  return error;
}

}  // namespace

void remove_abandoned_temporaries(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t mark = name.rfind(kTemporaryMark);
    if (mark == std::string::npos || mark == 0) continue;
    const char* digits = name.c_str() + mark + kTemporaryMark.size();
    const char* end = name.c_str() + name.size();
    pid_t process = 0;
    const auto parsed = std::from_chars(digits, end, process);
    if (parsed.ec != std::errc{} || parsed.ptr != end || process <= 0) continue;
    if (::kill(process, 0) == 0 || errno != ESRCH) continue;
    ::unlink(entry.path().c_str());
  }
}

AtomicWriter::AtomicWriter(const std::string& path)
    : path_(path), temporary_(path + std::string(kTemporaryMark) + std::to_string(::getpid())) {
  ignore_file_size_signal();
  ::unlink(temporary_.c_str());  // left by a killed process that had our number
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw Error(path_, "cannot write: " + reason(errno),
                "check that the directory exists and is writable");
  }
}

AtomicWriter::~AtomicWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicWriter::fail(const std::string& step) {
  const int error = errno;
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  ::unlink(temporary_.c_str());
  throw Error(path_, step + ": " + reason(error), kWriteRemedy);
}

void AtomicWriter::write(const void* data, std::int64_t size_bytes) {
  INTANDEM_CHECK(descriptor_ >= 0, path_ + " is already closed");
  const int error =
      write_all(descriptor_, static_cast<const char*>(data), static_cast<std::size_t>(size_bytes));
  if (error == 0) return;
  errno = error;
  fail("cannot write");
}

void AtomicWriter::commit() {
  INTANDEM_CHECK(descriptor_ >= 0, path_ + " is already closed");
  if (::fsync(descriptor_) != 0) fail("cannot flush to disk");
  // A network file system may report a full disk only here.
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0) fail("cannot close");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot put into place");
  if (const int error = sync_directory(directory_of(path_)); error != 0) {
    throw Error(path_, "cannot flush the directory to disk: " + reason(error), kWriteRemedy);
  }
}

void write_file_atomic(const std::string& path, std::string_view contents) {
  AtomicWriter writer(path);
  writer.write(contents.data(), static_cast<std::int64_t>(contents.size()));
  writer.commit();
}

FileReader::FileReader(const std::string& path, const std::string& remedy)
    : path_(path), remedy_(remedy) {
  // O_NONBLOCK: opening a pipe nobody writes to must not hang.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (descriptor_ < 0) throw Error(path, "cannot open: " + reason(errno), remedy);
  struct stat status = {};
  const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    ::close(descriptor_);
    throw Error(path, S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file", remedy);
  }
  size_bytes_ = status.st_size;
}

FileReader::~FileReader() { ::close(descriptor_); }

void FileReader::read(void* data, std::int64_t size_bytes) {
  auto* out = static_cast<char*>(data);
  while (size_bytes > 0) {
    const ::ssize_t got = ::read(descriptor_, out, static_cast<std::size_t>(size_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(path_, "cannot read: " + reason(errno), remedy_);
    if (got == 0) throw Error(path_, "is truncated", remedy_);
    out += got;
    size_bytes -= got;
  }
}

std::string read_file(const std::string& path, const std::string& remedy) {
  FileReader reader(path, remedy);
  std::string contents(static_cast<std::size_t>(reader.size_bytes()), '\0');
  reader.read(contents.data(), reader.size_bytes());
  return contents;
}

void make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    throw Error(path, "cannot create the directory: " + error.message(),
                "check the path and its permissions");
  }
  if (!std::filesystem::is_directory(path, error)) {
    throw Error(path, "is not a directory", "choose another path or move the file away");
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    throw Error(path, "cannot write into the directory: " + reason(errno),
                "check its permissions or choose another path");
  }
}

bool file_exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

LineLog::LineLog(const std::string& path, std::int64_t keep_bytes) : path_(path) {
  ignore_file_size_signal();
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw Error(path, "cannot open: " + reason(errno), kWriteRemedy);
  struct stat status = {};
  int error = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  const bool too_short = error == 0 && status.st_size < keep_bytes;
  if (error == 0 && !too_short && ::ftruncate(descriptor_, keep_bytes) != 0) error = errno;
  if (error == 0 && !too_short) {
    size_bytes_ = keep_bytes;
    return;
  }
  ::close(descriptor_);
  if (error != 0) throw Error(path, "cannot open: " + reason(error), kWriteRemedy);
  throw Error(path,
              "holds " + std::to_string(status.st_size) + " bytes where the checkpoint expects " +
                  std::to_string(keep_bytes),
              "restore the log of this run or start a new run directory");
}

LineLog::~LineLog() { ::close(descriptor_); }

void LineLog::append(std::string_view line) {
  INTANDEM_CHECK(line.find('\n') == std::string_view::npos, "a log line holds a newline");
  std::string text(line);
  text += '\n';
  if (const int error = write_all(descriptor_, text.data(), text.size()); error != 0) {
    // Half a line would break every reader of the log; if even cutting fails, nothing more helps.
    const int ignored = ::ftruncate(descriptor_, size_bytes_);
    static_cast<void>(ignored);
    throw Error(path_, "cannot write: " + reason(error), kWriteRemedy);
  }
  size_bytes_ += static_cast<std::int64_t>(text.size());
}

std::int64_t LineLog::sync() {
  if (::fsync(descriptor_) != 0) {
    throw Error(path_, "cannot flush to disk: " + reason(errno), kWriteRemedy);
  }
  return size_bytes_;
}

}  // namespace intandem
