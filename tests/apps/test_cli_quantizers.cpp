// Quantizers from the command line: quantized teachers, and students whose steps are fitted.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;

TEST_CASE("a quantized teacher and its students, verified from their files", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run"), more = scratch.path("more");
  const Outcome train =
      run(scratch, with(small_train(data, dir), {"--quantizer", "dorefa", "--weight-bits", "3"}));
  INFO(train.err);
  REQUIRE(train.code == 0);
  const Json results = Json::parse(slurp(dir + "/results.json"));
  const std::string arithmetic = "W3A4 (dorefa weights, dorefa activations), batch norm";
  CHECK(results.at("teacher_arithmetic") == arithmetic);
  const Outcome eval = run(scratch, {"eval", dir + "/teacher.safetensors", "--data-dir", data});
  CHECK_THAT(eval.out, Catch::Contains("(" + results.at("teacher_correct").dump() + " of 100") &&
                           Catch::Contains(arithmetic));

  for (const char* quantizer : {"uniform", "dorefa"}) {
    const Outcome distill = run(
        scratch,
        with(small_distill(dir), {"--quantizer", quantizer, "--name", quantizer, "--fix-alpha"}));
    INFO(distill.err);
    REQUIRE(distill.code == 0);
    const Outcome verify =
        run(scratch, {"verify", "--run", dir, "--name", quantizer, "--quiet", "--threads", "1"});
    CHECK(verify.code == 0);
    CHECK_THAT(verify.out, Catch::Contains("0 mismatches in 100 images"));
  }

  const Outcome further =
      run(scratch, with(small_train(data, more), {"--init", dir + "/teacher.safetensors",
                                                  "--quantizer", "lsq", "--weight-bits", "2"}));
  INFO(further.err);
  CHECK(further.code == 0);
}

TEST_CASE("impossible choices of quantizers are usage errors before any work", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  const auto complaint = [&](const std::vector<std::string>& flags) {
    const Outcome outcome = run(scratch, with(small_train(data, dir), flags));
    CHECK(outcome.code == 2);
    return outcome.err;
  };
  CHECK_THAT(complaint({"--weight-quantizer", "lsq"}), Catch::Contains("give both"));
  CHECK_THAT(complaint({"--weight-quantizer", "pact"}), Catch::Contains("dorefa"));
  CHECK_THAT(complaint({"--quantizer", "lsq", "--overrides", "conv3=2/4,conv3=4/4"}),
             Catch::Contains("'conv3' is there twice"));
  CHECK_THAT(complaint({"--quantizer", "lsq", "--overrides", "conv33=2/4"}),
             Catch::Contains("no unit 'conv33'"));
}
