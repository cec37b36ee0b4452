// What `eval` and `infer` write for other programs: predictions as CSV, answers as JSON.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/commands/predictions.hpp"
#include "core/json.hpp"
#include "core/npy.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;

namespace {

const std::string kModel = "tests/golden/demo-w2a2.safetensors";
const std::string kBoot = "tests/golden/ankle-boot.png";

std::vector<std::vector<std::string>> read_csv(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(slurp(path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

}  // namespace

TEST_CASE("eval --predictions: label, prediction and logits of every image", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 10, 100);
  const std::string csv = scratch.path("p.csv"), npy = scratch.path("l.npy");
  const Outcome eval = run(scratch, {"eval", kModel, "--data-dir", data, "--limit", "70", "--batch",
                                     "32", "--predictions", csv, "--logits", npy});
  INFO(eval.err);
  REQUIRE(eval.code == 0);
  const auto rows = read_csv(csv);
  const TensorS32 logits = load_npy<std::int32_t>(npy);
  REQUIRE(logits.shape() == Shape{70, 10});
  REQUIRE(rows.size() == 71);
  CHECK(rows[0].size() == 15);
  CHECK(rows[0][5] == "logit_0");
  int correct = 0;
  for (std::int64_t n = 0; n < 70; ++n) {
    const auto& row = rows[static_cast<std::size_t>(n) + 1];
    REQUIRE(row.size() == 15);
    CHECK(row[0] == std::to_string(n));
    CHECK(row[1] == std::to_string(n % 10));  // the label that write_bars gives
    const std::int32_t* own = logits.data() + 10 * n;
    CHECK(row[3] == std::to_string(std::max_element(own, own + 10) - own));
    for (std::int64_t c = 0; c < 10; ++c) {
      CHECK(row[static_cast<std::size_t>(c) + 5] == std::to_string(own[c]));
    }
    correct += row[1] == row[3];
    CHECK((row[2] == row[4]) == (row[1] == row[3]));
  }
  CHECK_THAT(eval.out, Catch::Contains("(" + std::to_string(correct) + " of 70 test images)"));
  // It is known to be impossible before the work is done.
  check_one_error(
      run(scratch, {"eval", kModel, "--data-dir", data, "--predictions", scratch.path("no/p.csv")}),
      1, {"no/p.csv"});
  check_one_error(run(scratch, {"eval", kModel, "--predictions", ""}), 2, {"--predictions"});
}

TEST_CASE("predictions: names are quoted, float logits come back", "[apps]") {
  const TemporaryDirectory scratch;
  const std::string path = scratch.path("p.csv");
  Dataset data;
  data.classes = 2;
  data.class_names = {"a,b", "say \"c\""};
  data.labels = {1, 0};
  PredictionFile file(path);
  const float logits[] = {0.1f, -1e-20f, 3.0f, 3.0f};
  const LogitSink<float> sink = file.sink<float>(data);
  sink(0, 1, logits);
  sink(1, 1, logits + 2);
  CHECK_FALSE(std::filesystem::exists(path));
  file.commit();
  CHECK(slurp(path) ==
        "image,label,label_name,prediction,prediction_name,logit_0,logit_1\n"
        "0,1,\"say \"\"c\"\"\",0,\"a,b\",0.100000001,-9.99999968e-21\n"
        "1,0,\"a,b\",0,\"a,b\",3,3\n");
}

TEST_CASE("infer --json: an object per image and line, errors as well", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string odd = scratch.path("\xFF.png");
  std::filesystem::copy_file(kBoot, odd);
  const std::string bad = scratch.write("2.png", "no image");
  const Outcome infer = run(scratch, {"infer", kModel, kBoot, bad, odd, "--json", "--top", "2"});
  CHECK(infer.code == 1);
  CHECK_THAT(infer.err, Catch::Contains("intandem: error: " + bad));
  std::vector<nlohmann::json> lines;
  std::istringstream text(infer.out);
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  REQUIRE(lines.size() == 3);
  for (const std::size_t good : {0, 2}) {
    const nlohmann::json& line = lines[good];
    CHECK(line["class"] == 9);
    CHECK(line["name"] == "Ankle boot");
    REQUIRE(line["logits"].size() == 10);
    REQUIRE(line["top"].size() == 2);
    CHECK(line["top"][0]["class"] == 9);
    CHECK(line["top"][0]["logit"] == line["logits"][9]);
    CHECK(line["top"][1]["logit"] <= line["top"][0]["logit"]);
  }
  CHECK(lines[0]["image"] == kBoot);
  CHECK(lines[1]["image"] == bad);
  CHECK_THAT(lines[1]["error"].get<std::string>(), Catch::Contains("is no JPEG, PNG, BMP or GIF"));
  CHECK(lines[1].size() == 2);
  CHECK_THAT(lines[2]["image"].get<std::string>(), Catch::Contains("\\xff.png"));
}

TEST_CASE("--plan FILE: made once, kept to after that, refused when it is of no use",
          "[apps][cli][plan]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string plan = scratch.path("plan.json");
  const auto infer = [&](const std::string& how) {
    return run(scratch, {"infer", kModel, kBoot, "--plan", how});
  };
  const Outcome made = infer(plan);
  INFO(made.err);
  REQUIRE(made.code == 0);
  const Json first = Json::parse(slurp(plan));
  CHECK(first.at("format") == "intandem-plan");
  CHECK(first.at("layers").size() == 8);
  // A second run by the plan measures nothing, so the file stays as it is, times and all.
  const std::string before = slurp(plan);
  const Outcome again = infer(plan), estimated = infer("estimate");
  CHECK(again.out == made.out);
  CHECK(estimated.out == made.out);
  CHECK(slurp(plan) == before);
  const Outcome shown =
      run(scratch, {"inspect", kModel, "--batch", "1", "--plan", "--plan-from", plan});
  INFO(shown.err);
  CHECK(shown.code == 0);
  for (const auto& [layer, choice] : first.at("layers").items()) {
    INFO(layer);
    CHECK_THAT(shown.out, Catch::Contains(choice.at("algorithm").get<std::string>()));
  }
  Json foreign = first;
  foreign["cpu"] = "Z80";
  scratch.write("plan.json", foreign.dump());
  check_one_error(infer(plan), 1, {plan, "Z80"});
  scratch.write("plan.json", before.substr(0, before.size() / 2));
  check_one_error(infer(plan), 1, {plan});
}
