// JSON that parses but does not fit, or would take the program down.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;

TEST_CASE("numbers that no double holds and deep values are errors of the file", "[core][json]") {
  check_error([] { parse_json(R"({"lr": 1e999})", "c.json", true); }, {"c.json", "number"});
  check_error([] { parse_json(R"({"lr": [-1e400]})", "c.json", true); }, {"c.json", "number"});
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  check_error([&] { parse_json(deep, "c.json", true); }, {"c.json", "deep"});
  check_error([&] { parse_json("{\"a\":" + deep + "}", "c.json", false); }, {"c.json", "deep"});
  check_error([] { parse_json("{\"a\": \"\xFF\"}", "c.json", true); }, {"c.json", "not valid"});
  CHECK(parse_json(R"([[[1e300, "x"]]])", "c.json", true).size() == 1);
  CHECK(try_parse_json(deep).is_discarded());
  CHECK(try_parse_json(R"({"a": 1e999})").is_discarded());
  CHECK(try_parse_json("{").is_discarded());
  CHECK(try_parse_json(R"({"a": 1})").at("a") == 1);
}
