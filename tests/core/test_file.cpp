#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "core/file.hpp"
#include "tests/skip.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;
using test::TemporaryDirectory;

namespace {

int entry_count(const std::string& directory) {
  int n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++n;
  return n;
}

// A file size limit behaves like a full disk: write() comes back short, then fails.
struct FileSizeLimit {
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit limit = {bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before); }
  struct rlimit before = {};
};

// root may write everywhere; as another user a read-only directory is one.
struct Unprivileged {
  Unprivileged() : is_unprivileged(::geteuid() != 0 || ::seteuid(65534) == 0) {}
  ~Unprivileged() {
    if (::getuid() == 0) is_unprivileged = ::seteuid(0) == 0;
  }
  bool is_unprivileged;
};

}  // namespace

TEST_CASE("a file is written, replaced and read back, and nothing else is left", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("result.json");
  const std::string binary("a\0\xff\n", 4);
  write_file_atomic(path, binary);
  CHECK(read_file(path, "") == binary);
  write_file_atomic(path, "");
  CHECK(read_file(path, "").empty());
  CHECK(file_exists(path));
  CHECK(entry_count(directory.path()) == 1);
}

TEST_CASE("a path without a directory is written into the current one", "[core][file]") {
  const TemporaryDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  write_file_atomic("plain", "x");
  std::filesystem::current_path(before);
  CHECK(read_file(directory.path("plain"), "") == "x");
}

TEST_CASE("nothing is visible before commit, and nothing stays without it", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("model");
  write_file_atomic(path, "old");
  {
    AtomicWriter writer(path);
    writer.write("new", 3);
    CHECK(read_file(path, "") == "old");
  }
  CHECK(read_file(path, "") == "old");
  CHECK(entry_count(directory.path()) == 1);
  AtomicWriter writer(path);
  writer.write("ne", 2);
  writer.write("w", 1);
  writer.commit();
  CHECK(read_file(path, "") == "new");
  CHECK_THROWS_AS(writer.write("x", 1), Error);
}

TEST_CASE("a stale temporary of a killed process does not matter", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("model");
  directory.write("model.tmp." + std::to_string(::getpid()), "half a model, longer than the new");
  write_file_atomic(path, "new");
  CHECK(read_file(path, "") == "new");
  CHECK(entry_count(directory.path()) == 1);
}

TEST_CASE("only temporaries of dead processes are removed", "[core][file]") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const std::string dead = std::to_string(child);
  const TemporaryDirectory directory;
  directory.write("model.tmp." + dead, "half");
  const std::vector<std::string> kept = {"model.tmp." + std::to_string(::getpid()),
                                         "model",
                                         ".tmp." + dead,
                                         "model.tmp." + dead + "x",
                                         "model.tmp.",
                                         "model.tmp.0",
                                         "model.tmp.99999999999999999999"};
  for (const std::string& name : kept) directory.write(name, "text");
  remove_abandoned_temporaries(directory.path());
  for (const std::string& name : kept) CHECK(file_exists(directory.path(name)));
  CHECK(entry_count(directory.path()) == static_cast<int>(kept.size()));
}

TEST_CASE("a full disk leaves the old file and no temporary", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("model");
  write_file_atomic(path, "old");
  const std::string big(100'000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(10'000);
    try {
      write_file_atomic(path, big);
    } catch (const Error& error) {
      message = error.what();
    }
  }
  CHECK_THAT(message, Catch::StartsWith(path) && Catch::Contains("cannot write") &&
                          Catch::Contains("free space"));
  CHECK(read_file(path, "") == "old");
  CHECK(entry_count(directory.path()) == 1);
}

TEST_CASE("a read-only directory is an error and the old file stays", "[core][file]") {
  const TemporaryDirectory directory;
  directory.write("run/model", "old");
  const std::string run = directory.path("run");
  const std::string path = run + "/model";
  std::filesystem::permissions(run, std::filesystem::perms(0555));
  std::string message, directory_message;
  {
    const Unprivileged user;
    if (!user.is_unprivileged) INTANDEM_SKIP("cannot give up root's permissions");
    try {
      write_file_atomic(path, "new");
    } catch (const Error& error) {
      message = error.what();
    }
    try {
      make_directory(run + "/checkpoints");
    } catch (const Error& error) {
      directory_message = error.what();
    }
  }
  std::filesystem::permissions(run, std::filesystem::perms(0755));
  CHECK_THAT(message, Catch::StartsWith(path + ": cannot write: ") && Catch::Contains("writable"));
  CHECK_THAT(directory_message, Catch::StartsWith(run + "/checkpoints: cannot create"));
  CHECK(read_file(path, "") == "old");
  CHECK(entry_count(run) == 1);
}

TEST_CASE("impossible targets are errors that name the path", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string missing = directory.path("no/such/file");
  check_error([&] { write_file_atomic(missing, "x"); }, {missing, "directory exists"});
  std::filesystem::create_directory(directory.path("folder"));
  directory.write("folder/content", "x");
  check_error([&] { write_file_atomic(directory.path("folder"), "x"); },
              {directory.path("folder"), "cannot put into place"});
  CHECK(entry_count(directory.path()) == 1);
}

TEST_CASE("what cannot be read is an error with the caller's remedy, and never a hang",
          "[core][file]") {
  const TemporaryDirectory directory;
  check_error([&] { read_file(directory.path("absent"), "train a teacher first"); },
              {"absent: cannot open", "train a teacher first"});
  check_error([&] { read_file(directory.path(), "give a file"); },
              {"is a directory", "give a file"});
  const std::string pipe = directory.path("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  check_error([&] { read_file(pipe, "give a file"); }, {"pipe: is not a regular file"});
  check_error([] { read_file("/dev/zero", "give a file"); }, {"is not a regular file"});
}

TEST_CASE("a reader refuses to read past the end", "[core][file]") {
  const TemporaryDirectory directory;
  FileReader reader(directory.write("three", "abc"), "copy it again");
  CHECK(reader.size_bytes() == 3);
  char buffer[4] = {};
  reader.read(buffer, 2);
  CHECK(std::string(buffer) == "ab");
  check_error([&] { reader.read(buffer, 2); }, {"three: is truncated", "copy it again"});
}

TEST_CASE("directories are made with their parents", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string deep = directory.path("a/b/c");
  make_directory(deep);
  make_directory(deep);
  CHECK(std::filesystem::is_directory(deep));
  const std::string file = directory.write("file", "x");
  CHECK_THROWS_AS(make_directory(file), Error);
  CHECK_THROWS_AS(make_directory(file + "/below"), Error);
}

TEST_CASE("a log appends lines and is cut back on resume", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("log.jsonl");
  std::int64_t keep_bytes = 0;
  {
    LineLog log(path, 0);
    log.append("{\"step\":1}");
    keep_bytes = log.sync();
    log.append("{\"step\":2}");
  }
  CHECK(keep_bytes == 11);
  CHECK(read_file(path, "") == "{\"step\":1}\n{\"step\":2}\n");
  {
    LineLog log(path, keep_bytes);
    log.append("{\"step\":3}");
    CHECK(log.sync() == 22);
  }
  CHECK(read_file(path, "") == "{\"step\":1}\n{\"step\":3}\n");
  check_error([&] { LineLog(path, 23); }, {path, "22 bytes", "23", "new run directory"});
  CHECK(read_file(path, "").size() == 22);
  { const LineLog log(path, 0); }
  CHECK(read_file(path, "").empty());
}

TEST_CASE("a log never keeps half a line", "[core][file]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("log.jsonl");
  LineLog log(path, 0);
  log.append("first");
  bool failed = false;
  {
    const FileSizeLimit limit(10);
    try {
      log.append("a line that does not fit");
    } catch (const Error&) {
      failed = true;
    }
  }
  CHECK(failed);
  CHECK(read_file(path, "") == "first\n");
  log.append("second");
  CHECK(read_file(path, "") == "first\nsecond\n");
  CHECK_THROWS_AS(log.append("two\nlines"), Error);
}
