// The test runner: every tests/*/*.cpp in one Catch2 program, with a record for the tally.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "tests/skip.hpp"

namespace {

std::string skip_reason;

// Writes "start|pass|fail|skip NAME" lines to the file INTANDEM_TEST_LOG, flushed one by one, so
// that tests/run.sh can count even when a test takes the process down.
struct Recorder : Catch::TestEventListenerBase {
  explicit Recorder(const Catch::ReporterConfig& config) : TestEventListenerBase(config) {
    const char* path = std::getenv("INTANDEM_TEST_LOG");
    if (path != nullptr) log_.open(path, std::ios::app);
  }

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    TestEventListenerBase::testCaseStarting(info);
    skip_reason.clear();
    log_ << "start " << info.name << std::endl;
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const bool failed = stats.totals.testCases.failed > 0;
    const bool skipped = !failed && !skip_reason.empty();
    log_ << (failed ? "fail " : skipped ? "skip " : "pass ") << stats.testInfo.name << std::endl;
    if (skipped) std::cout << "skip " << stats.testInfo.name << ": " << skip_reason << std::endl;
    TestEventListenerBase::testCaseEnded(stats);
  }

 private:
  std::ofstream log_;
};
CATCH_REGISTER_LISTENER(Recorder)

}  // namespace

void intandem::mark_test_skipped(const std::string& reason) {
  skip_reason = reason;
  SUCCEED(reason);
}

// A test that asserts nothing cannot fail, so it does.
int main(int argc, char** argv) {
  Catch::Session session;
  if (const int wrong = session.applyCommandLine(argc, argv); wrong != 0) return wrong;
  auto& warnings = session.configData().warnings;
  warnings = static_cast<Catch::WarnAbout::What>(warnings | Catch::WarnAbout::NoAssertions);
  return session.run();
}
