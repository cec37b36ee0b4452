#include <catch2/catch.hpp>

#include "core/error.hpp"
#include "core/version.hpp"

using namespace intandem;

TEST_CASE("an error is one line: subject, problem, remedy", "[core][error]") {
  const Error error("model.safetensors", "is truncated", "copy it again");
  CHECK(std::string(error.what()) == "model.safetensors: is truncated; copy it again");
  CHECK(error.code() == ExitCode::runtime);

  const Error broken("a\nb", "c\r\nd", "e\tf", ExitCode::usage);
  CHECK(std::string(broken.what()) == "a b: c  d; e f");
  CHECK(broken.code() == ExitCode::usage);
}

TEST_CASE("exit codes are the documented numbers", "[core][error]") {
  CHECK(static_cast<int>(ExitCode::ok) == 0);
  CHECK(static_cast<int>(ExitCode::runtime) == 1);
  CHECK(static_cast<int>(ExitCode::usage) == 2);
  CHECK(static_cast<int>(ExitCode::mismatch) == 3);
  CHECK(static_cast<int>(ExitCode::interrupted) == 75);
}

TEST_CASE("a check evaluates its message only when it fails", "[core][error]") {
  bool evaluated = false;
  const auto message = [&] {
    evaluated = true;
    return std::string("the extents differ");
  };
  INTANDEM_CHECK(1 + 1 == 2, message());
  CHECK_FALSE(evaluated);
  CHECK_THROWS_WITH([&] { INTANDEM_CHECK(1 + 1 == 3, message()); }(),
                    Catch::Contains("test_error.cpp:") && Catch::Contains("the extents differ; "));
  CHECK(evaluated);
}

TEST_CASE("the program knows what it was built from", "[core][version]") {
  CHECK_THAT(intandem_version(), Catch::Matches("[0-9]+\\.[0-9]+\\.[0-9]+"));
  CHECK_THAT(intandem_commit(), Catch::Matches("unknown|[0-9a-f]{12,40}(\\+dirty)?"));
  CHECK_THAT(compiler_name(), Catch::Matches("(GCC|Clang) [0-9.]+"));
}
