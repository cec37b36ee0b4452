// Typed configuration: precedence, unknown keys, types, ranges.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/settings/config.hpp"
#include "core/error.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using data_test::check_error;

namespace {

/// The usage error of applying a configuration text, or "" if it is accepted.
template <class Config>
std::string complaint(const std::string& text) {
  Config config;
  try {
    apply_config_text(describe(config), text, "some.json");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    return error.what();
  }
  return {};
}

template <class Config>
void check_table() {
  Config config;
  const ConfigKeys keys = describe(config);
  std::set<std::string> names;
  for (const ConfigKey& key : keys) {
    INFO(key.name);
    CHECK(names.insert(key.name).second);
    CHECK_FALSE(key.help.empty());
    CHECK_FALSE(key.allowed().empty());
  }
  // Every default must itself be allowed: what is written down can be read again.
  const Json defaults = config_to_json(keys);
  Config again;
  apply_config_text(describe(again), defaults.dump(), "defaults");
  CHECK(config_to_json(describe(again)) == defaults);
}

}  // namespace

TEST_CASE("configuration tables are consistent", "[apps]") {
  check_table<TrainConfig>();
  check_table<DistillConfig>();
}

TEST_CASE("flags override the configuration file, which overrides defaults", "[apps]") {
  TrainConfig config;
  const ConfigKeys keys = describe(config);
  apply_config_text(keys, R"({"epochs": 3, "lr": 0.25, "flip": false, "schedule": "step"})", "f");
  CHECK(config.epochs == 3);
  CHECK(config.lr == 0.25);
  CHECK_FALSE(config.flip);
  CHECK(config.schedule == "step");
  CHECK(config.batch == TrainConfig().batch);
  apply_flag(keys, "epochs", "5");
  apply_flag(keys, "flip", "true");
  apply_flag(keys, "lr", "1e-3");
  CHECK(config.epochs == 5);
  CHECK(config.flip);
  CHECK(config.lr == 1e-3);
}

TEST_CASE("a bad configuration names the file, the key and what is allowed", "[apps]") {
  using Catch::Contains;
  CHECK_THAT(complaint<DistillConfig>(R"({"weight_bits": 9})"),
             Contains("some.json") && Contains("weight_bits") && Contains("9") &&
                 Contains("an integer from 1 to 8"));
  CHECK_THAT(complaint<DistillConfig>(R"({"weight_bit": 4})"),
             Contains("unknown key 'weight_bit'") && Contains("'weight_bits'"));
  CHECK_THAT(complaint<TrainConfig>(R"({"epochs": 2.5})"), Contains("an integer"));
  CHECK_THAT(complaint<TrainConfig>(R"({"epochs": "2"})"), Contains("epochs"));
  CHECK_THAT(complaint<TrainConfig>(R"({"epochs": 18446744073709551615})"), Contains("epochs"));
  CHECK_THAT(complaint<TrainConfig>(R"({"lr": "high"})"), Contains("a number from"));
  CHECK_THAT(complaint<TrainConfig>(R"({"lr": null})"), Contains("lr"));
  CHECK_THAT(complaint<TrainConfig>(R"({"flip": 1})"), Contains("true or false"));
  CHECK_THAT(complaint<TrainConfig>(R"({"schedule": "triangle"})"),
             Contains("cosine, constant, step"));
  CHECK_THAT(complaint<TrainConfig>(R"({"network": "vgg"})"), Contains("fashion-alexnet"));
  CHECK_THAT(complaint<TrainConfig>("[1]"), Contains("JSON object"));
  CHECK_THAT(complaint<TrainConfig>("{\"lr\": 0.1,\n\"epochs\": }"),
             Contains("not valid JSON (line 2)"));
  CHECK_THAT(complaint<TrainConfig>(R"({"epochs": 1, "epochs": 2})"),
             Contains("'epochs' appears twice"));
  CHECK_THAT(complaint<TrainConfig>(""), Contains("not valid JSON"));
  CHECK(complaint<TrainConfig>(R"({"lr": 1, "epochs": 10000})").empty());
}

TEST_CASE("a bad flag names the flag and what is allowed", "[apps]") {
  DistillConfig config;
  const ConfigKeys keys = describe(config);
  for (const char* text : {"9", "0", "-1", "4x", "", "4.0", "nan"}) {
    INFO(text);
    check_error([&] { apply_flag(keys, "weight_bits", text); },
                {"--weight-bits", "an integer from 1 to 8"});
  }
  for (const char* text : {"nan", "inf", "-0.1", "1,5"}) {
    INFO(text);
    check_error([&] { apply_flag(keys, "lambda", text); }, {"--lambda", "a number from 0 to 1000"});
  }
  CHECK(config.weight_bits == 4);
  check_error([&] { apply_config_file(keys, "/nowhere/x.json"); }, {"/nowhere/x.json"});
}

TEST_CASE("resuming insists on the keys that change results, and on no others", "[apps]") {
  TrainConfig config;
  const ConfigKeys keys = describe(config);
  Json stored = config_to_json(keys);
  check_same_config(keys, stored, "x.checkpoint");
  stored["threads"] = 7;
  stored["data_dir"] = "/elsewhere";
  check_same_config(keys, stored, "x.checkpoint");
  stored["batch"] = 64;
  check_error([&] { check_same_config(keys, stored, "x.checkpoint"); },
              {"x.checkpoint", "batch = 64, not 128"});
  stored.erase("batch");
  check_error([&] { check_same_config(keys, stored, "x.checkpoint"); }, {"batch"});
}
