#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <thread>

#include "core/file.hpp"
#include "core/progress.hpp"
#include "tests/skip.hpp"
#include "tests/temporary_directory.hpp"
#include "tests/with_variable.hpp"

using namespace intandem;
using test::TemporaryDirectory;

namespace {

// Standard error goes to another descriptor for a while.
class Redirected {
 public:
  explicit Redirected(int target) : saved_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    ::dup2(target, STDERR_FILENO);
  }
  ~Redirected() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

template <class F>
std::string output_of(const F& f) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("stderr");
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  {
    const Redirected redirected(file);
    f();
  }
  ::close(file);
  return read_file(path, "");
}

}  // namespace

TEST_CASE("away from a terminal a short job is one plain line", "[core][progress]") {
  const std::string output = output_of([] {
    Progress progress("teacher epoch 3/8", 391);
    for (int step = 1; step <= 391; ++step) progress.update(step, "loss 0.312");
    progress.finish("held-out 92.1 %");
    progress.finish("again");
  });
  CHECK(output == "teacher epoch 3/8: 391/391, 0 s, held-out 92.1 %\n");
}

TEST_CASE("a job that stops early still ends its line", "[core][progress]") {
  CHECK(output_of([] { Progress("stage 1", 10).update(4); }) == "stage 1: 4/10, 0 s\n");
  CHECK(output_of([] {
          Progress progress("odd", 0);
          progress.update(5);
        }) == "odd: 1/1, 0 s\n");
}

TEST_CASE("quiet prints nothing", "[core][progress]") {
  Progress::set_quiet(true);
  const std::string output = output_of([] {
    Progress progress("x", 2);
    progress.update(1);
    progress.finish("done");
  });
  Progress::set_quiet(false);
  CHECK(output.empty());
}

TEST_CASE("on a terminal a bar is redrawn in place", "[core][progress]") {
  const int primary = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (primary < 0 || ::grantpt(primary) != 0 || ::unlockpt(primary) != 0) {
    INTANDEM_SKIP("no pseudo-terminal");
  }
  const int terminal = ::open(::ptsname(primary), O_RDWR | O_NOCTTY);
  if (terminal < 0) INTANDEM_SKIP("no pseudo-terminal");
  {
    const test::WithVariable term("TERM", "xterm");
    const Redirected redirected(terminal);
    Progress progress("label", 4);
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.update(2, std::string(200, 'n'));
    progress.finish("good");
  }
  char buffer[2048];
  const ::ssize_t size = ::read(primary, buffer, sizeof buffer);
  ::close(terminal);
  ::close(primary);
  REQUIRE(size > 0);
  const std::string output(buffer, static_cast<std::size_t>(size));
  CHECK_THAT(output,
             Catch::StartsWith("\rlabel [############............] 2/4, 0 s, about 0 s left"));
  CHECK_THAT(output, Catch::Contains("label: 2/4, 0 s, good\x1b[K"));
  // The bar is cut to the terminal's width, or it would wrap: 79 characters behind the "\r".
  CHECK(output.find("\x1b[K") == 80);
}
