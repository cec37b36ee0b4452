// Run directories: nothing gets lost, nothing gets mixed up.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/run/run_dir.hpp"
#include "core/error.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using apps_test::slurp;
using data_test::check_error;
using data_test::TemporaryDirectory;

namespace {

JobOptions options_for(const TemporaryDirectory& scratch) {
  JobOptions options;
  options.run = scratch.path("run");
  options.command_line = "intandem train --run run";
  return options;
}

std::vector<std::string> jobs_in_log(const std::string& path) {
  std::vector<std::string> jobs;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);
    jobs.push_back(json.at("job").get<std::string>() + json.at("step").dump());
  }
  return jobs;
}

}  // namespace

TEST_CASE("a started job is neither restarted nor lost by accident", "[apps]") {
  const TemporaryDirectory scratch;
  TrainConfig config;
  const ConfigKeys keys = describe(config);
  JobOptions options = options_for(scratch);
  {
    RunDir run(options, "train");
    run.begin(keys);
    run.open_log(nullptr);
    run.log({{"step", 1}});
    check_error([&] { RunDir second(options, "train"); }, {"another intandem process"});
  }
  check_error([&] { RunDir again(options, "train"); },
              {options.run, "an unfinished job 'train'", "--resume", "--overwrite"});
  {
    JobOptions resume = options;
    resume.resume = true;
    RunDir run(resume, "train");
    CHECK_FALSE(run.already_finished(keys));
    CHECK_FALSE(run.open_checkpoint(keys).has_value());
    run.begin(keys);
    run.open_log(nullptr);
    CHECK(
        slurp(run.path("log.jsonl")).empty());  // no checkpoint: lines of the lost try are dropped
    run.finish();
  }
  check_error([&] { RunDir again(options, "train"); }, {"a finished job 'train'", "--overwrite"});
  const Json record = Json::parse(slurp(options.run + "/config.json"));
  CHECK(record.at("train").at("config").at("batch") == 128);
  CHECK(record.at("train").at("command") == options.command_line);
  CHECK(record.at("train").contains("finished"));
  // A process killed between the mark and the removal of its checkpoint leaves that behind.
  scratch.write("run/train.checkpoint", "left behind");
  {
    JobOptions resume = options;
    resume.resume = true;
    RunDir run(resume, "train");
    CHECK(run.already_finished(keys));
    CHECK_FALSE(std::filesystem::exists(run.checkpoint_path()));
  }
}

TEST_CASE("a resumed log keeps the checkpoint's lines and those of other jobs", "[apps]") {
  const TemporaryDirectory scratch;
  TrainConfig config;
  const ConfigKeys keys = describe(config);
  JobOptions options = options_for(scratch);
  Container checkpoint("checkpoint");
  {
    RunDir run(options, "a");
    run.begin(keys);
    run.open_log(nullptr);
    run.log({{"step", 1}});
    run.stamp(checkpoint, keys);
    run.log({{"step", 2}});
    checkpoint.save(run.checkpoint_path());
  }
  {
    RunDir run(options, "b");
    run.begin(keys);
    run.open_log(nullptr);
    run.log({{"step", 7}});
  }
  // A line cut short by a crash.
  std::ofstream(options.run + "/log.jsonl", std::ios::app) << R"({"job": "a", "ste)";
  options.resume = true;
  {
    RunDir run(options, "a");
    const auto resumed = run.open_checkpoint(keys);
    REQUIRE(resumed.has_value());
    run.begin(keys);
    run.open_log(&*resumed);
    run.log({{"step", 3}});
    CHECK(jobs_in_log(run.path("log.jsonl")) == std::vector<std::string>{"a1", "b7", "a3"});
    config.batch = 5;
    check_error([&] { run.open_checkpoint(keys); }, {"a.checkpoint", "batch = 128, not 5"});
    run.finish();
    CHECK_FALSE(file_exists(run.checkpoint_path()));
  }
}

TEST_CASE("overwriting starts afresh, and a new teacher drops what rests on it", "[apps]") {
  const TemporaryDirectory scratch;
  TrainConfig config;
  const ConfigKeys keys = describe(config);
  JobOptions options = options_for(scratch);
  for (const char* job : {"train", "distill-w4a4"}) {
    RunDir run(options, job);
    run.begin(keys, job == std::string("train"));
    run.open_log(nullptr);
    run.log({{"step", 1}});
    merge_results(options.run, {{job, 1}});
    run.finish();
  }
  options.overwrite = true;
  {
    RunDir run(options, "train");
    // Nothing is dropped before the new run is known to be possible.
    CHECK(read_results(options.run).size() == 2);
    run.begin(keys, true);
    run.open_log(nullptr);
    CHECK(read_results(options.run).empty());
    CHECK(slurp(run.path("log.jsonl")).empty());
    CHECK(Json::parse(slurp(run.path("config.json"))).size() == 1);
  }
}

TEST_CASE("results merge key by key; the first student is the headline", "[apps]") {
  const TemporaryDirectory scratch;
  const std::string run = scratch.path();
  merge_results(run, {{"teacher_top1", 90.5}, {"students", {{"old", {{"x", 1}}}}}});
  merge_student(run, "w4a4", {{"student_top1", 89.25}, {"layers", Json::array({Json::object()})}});
  merge_student(run, "w2a2", {{"student_top1", 80.0}});
  merge_student(run, "w4a4", {{"mismatches", 0}});
  const Json results = read_results(run);
  CHECK(results.at("teacher_top1") == 90.5);
  CHECK(results.at("headline") == "w4a4");
  CHECK(results.at("student_top1") == 89.25);
  CHECK(results.at("mismatches") == 0);
  CHECK_FALSE(results.contains("layers"));
  CHECK(results.at("students").at("w2a2").at("student_top1") == 80.0);
  CHECK(results.at("students").at("w4a4").at("layers").size() == 1);
  merge_student(run, "w4a4", {{"mismatches", nullptr}});
  CHECK_FALSE(read_results(run).contains("mismatches"));
  scratch.write("results.json", "{\"teacher_top1\": ");
  check_error([&] { merge_results(run, {{"a", 1}}); }, {"results.json", "not valid JSON"});
}
