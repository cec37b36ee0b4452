// Whole runs of the real program on a made-up dataset: learning, exactness, stopping, resuming.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/print/png.hpp"
#include "core/json.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/apps/eval_files.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
namespace fs = std::filesystem;

namespace {

/// A copy without wall-clock times.
Json without_times(Json json) {
  if (json.is_object()) {
    for (const char* key : {"seconds", "teacher_seconds", "seconds_total"}) json.erase(key);
  }
  if (json.is_structured()) {
    for (Json& value : json) value = without_times(value);
  }
  return json;
}

Json results_of(const std::string& run_dir) {
  return without_times(Json::parse(slurp(run_dir + "/results.json")));
}

std::vector<std::string> log_of(const std::string& run_dir) {
  std::vector<std::string> lines;
  std::istringstream text(slurp(run_dir + "/log.jsonl"));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(without_times(Json::parse(line)).dump());
  }
  return lines;
}

/// Both directories hold the same run to the last bit, times aside.
void check_same_run(const std::string& a, const std::string& b,
                    const std::vector<std::string>& files) {
  CHECK(results_of(a) == results_of(b));
  CHECK(log_of(a) == log_of(b));
  for (const std::string& file : files) {
    INFO(file);
    REQUIRE(fs::exists(a + "/" + file));
    CHECK(slurp(a + "/" + file) == slurp(b + "/" + file));
  }
}

}  // namespace

TEST_CASE("a network from a file, with branches and groups, is distilled without a mismatch",
          "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  // A depthwise convolution, a linear bottleneck, a projection as shortcut, a grouped convolution.
  const std::string units = R"(
    {"name": "stem", "kind": "conv", "out": 8, "kernel": 5, "stride": 2, "pad": 2,
     "batch_norm": true, "relu": true, "pool_kernel": 2, "pool_stride": 2},
    {"name": "depthwise", "kind": "conv", "out": 8, "groups": 8, "kernel": 3, "pad": 1,
     "batch_norm": true, "relu": true},
    {"name": "bottleneck", "kind": "conv", "out": 8, "batch_norm": true, "relu": false},
    {"name": "shortcut", "kind": "conv", "out": 12, "stride": 2, "batch_norm": true, "relu": false},
    {"name": "grouped", "kind": "conv", "out": 12, "groups": 2, "kernel": 3, "stride": 2, "pad": 1,
     "batch_norm": true, "relu": true, "input": "bottleneck"},
    {"name": "sum", "kind": "conv", "out": 12, "batch_norm": true, "relu": true, "add": "shortcut"},
    {"name": "fc", "kind": "linear", "out": 10, "batch_norm": false, "relu": false})";
  const std::string network = scratch.write(
      "branches.json", R"({"name": "branches", "height": 28, "width": 28, "channels": 1,
      "classes": 10, "units": [)" +
                           units + "]}");
  std::vector<std::string> train = small_train(data, dir);
  train.erase(std::find(train.begin(), train.end(), "--width"),
              std::find(train.begin(), train.end(), "--batch"));
  const Outcome trained = run(scratch, with(train, {"--network", network, "--epochs", "4"}));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  // Nothing after training needs the file.
  fs::remove(network);
  const Outcome distilled = run(scratch, small_distill(dir));
  INFO(distilled.err);
  REQUIRE(distilled.code == 0);
  const Outcome verified =
      run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--quiet", "--threads", "1"});
  CHECK(verified.code == 0);
  CHECK_THAT(verified.out, Catch::Contains("0 mismatches in 100 images"));
  const Outcome inspected = run(scratch, {"inspect", dir + "/w4a4.safetensors", "--plan"});
  CHECK(inspected.code == 0);
  CHECK_THAT(inspected.out, Catch::Contains("depthwise") && Catch::Contains("in 2 groups") &&
                                Catch::Contains("u4, 0 at 8") && Catch::Contains("+ shortcut"));
  CHECK(run(scratch, {"report", "--run", dir}).code == 0);
}

TEST_CASE("a run from teacher to report, in integers at the end", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  const Outcome train = run(scratch, with(small_train(data, dir), {"--epochs", "4"}));
  INFO(train.err);
  REQUIRE(train.code == 0);
  const Outcome distill = run(scratch, small_distill(dir));
  INFO(distill.err);
  REQUIRE(distill.code == 0);
  const Outcome baseline =
      run(scratch, {"baseline", "--run", dir, "--calibration-images", "100", "--threads", "1"});
  INFO(baseline.err);
  REQUIRE(baseline.code == 0);
  const Outcome verify =
      run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--quiet", "--threads", "1"});
  CHECK(verify.code == 0);
  CHECK_THAT(verify.out, Catch::Contains("0 mismatches in 100 images"));

  const Json results = results_of(dir);
  CHECK(results.at("teacher_top1").get<double>() >= 80.0);  // chance is 10 %
  CHECK(results.at("student_top1").get<double>() >= 70.0);
  CHECK(results.at("mismatches") == 0);
  CHECK(results.at("images") == 100);
  const Json& student = results.at("students").at("w4a4");
  CHECK(student.at("sqnr_db").size() == 8);
  CHECK(student.at("stage_hybrid_top1").size() == 9);  // eight units and the joint phase
  CHECK(student.at("layers").size() == 8);
  CHECK(student.contains("folded_per_channel_top1"));
  CHECK(student.contains("folded_per_layer_top1"));
  for (const char* prefix : {"student_", "folded_per_channel_", "folded_per_layer_"}) {
    const double top1 = student.at(std::string(prefix) + "top1").get<double>();
    const double top5 = student.at(std::string(prefix) + "top5").get<double>();
    const double agreement = student.at(std::string(prefix) + "agreement").get<double>();
    CHECK(top5 >= top1);
    CHECK(top5 <= 100.0);
    CHECK(agreement >= top1 + student.at("teacher_top1").get<double>() - 100.0);
    CHECK(agreement <= 100.0 - std::abs(top1 - student.at("teacher_top1").get<double>()));
  }
  CHECK(student.at("teacher_top1") == results.at("teacher_top1"));
  CHECK(student.at("teacher_crc") == results.at("teacher_crc"));
  CHECK(student.at("held_out_loss").get<double>() > 0);
  // Steps of 20 of 280 images, at most half a pass (rounded to whole evaluations) for each of eight
  // stages and one for the joint phase.
  const double steps = student.at("passes").get<double>() * 14;
  CHECK(steps == Approx(std::round(steps)).margin(0.02));
  CHECK(steps >= 9);
  CHECK(steps <= 8 * 8 + 14);
  std::int64_t total = 0;
  for (const Json& row : student.at("confusion")) {
    for (const Json& count : row) total += count.get<std::int64_t>();
  }
  CHECK(total == 100);

  const std::string model = dir + "/w4a4.safetensors";
  const Outcome eval = run(scratch, {"eval", model, "--data-dir", data, "--batch", "7"});
  const std::string correct = "(" + student.at("student_correct").dump() + " of 100";
  CHECK_THAT(eval.out, Catch::Contains(correct));
  const Outcome reference =
      run(scratch, {"eval", model, "--data-dir", data, "--algorithm", "ref", "--threads", "1"});
  CHECK_THAT(reference.out, Catch::Contains(correct));
  check_eval_files(scratch, model, student.at("student_correct").get<std::int64_t>());
  const Outcome inspect = run(scratch, {"inspect", model, "--plan"});
  CHECK(inspect.code == 0);
  for (const char* part : {"conv1", "fc8", "* 2^-", "plan for", "MACs"}) {
    CHECK_THAT(inspect.out, Catch::Contains(part));
  }
  CHECK_THAT(inspect.out, Catch::Contains("batches of 1:"));
  CHECK_THAT(run(scratch, {"inspect", model, "--plan", "--batch", "64"}).out,
             Catch::Contains("batches of 64:"));
  TensorU8 image({28, 28, 1});
  const std::string pixels = bar_images(3);
  std::copy_n(pixels.end() - image.size(), image.size(), image.begin());
  const std::string png = scratch.write("x.png", encode_png(image));
  const Outcome infer = run(scratch, {"infer", model, png, "--top", "2"});
  CHECK(infer.code == 0);
  CHECK_THAT(infer.out, Catch::StartsWith(png + ": "));
  CHECK(run(scratch, {"report", "--run", dir}).code == 0);
  CHECK_THAT(slurp(dir + "/report.html"), Catch::Contains("w4a4"));

  // What is finished is neither repeated nor overwritten.
  CHECK(run(scratch, small_distill(dir)).code == 2);
  const Outcome again = run(scratch, with(small_distill(dir), {"--resume"}));
  CHECK(again.code == 0);
  CHECK(again.out == distill.out);
}

TEST_CASE("a student's figures are those of its own teacher", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run"), other = scratch.path("other");
  REQUIRE(run(scratch, with(small_train(data, dir), {"--epochs", "1"})).code == 0);
  REQUIRE(run(scratch, with(small_train(data, other), {"--epochs", "4", "--seed", "2"})).code == 0);
  const Json own = results_of(dir).at("teacher_top1"),
             foreign = results_of(other).at("teacher_top1");
  REQUIRE(own != foreign);
  const Outcome distill = run(
      scratch, with(small_distill(dir), {"--teacher", other + "/teacher.safetensors", "--data-dir",
                                         data, "--epochs-per-stage", "0", "--joint-epochs", "0"}));
  REQUIRE(distill.code == 0);
  const std::string said = Json(foreign).dump();
  CHECK_THAT(distill.out, Catch::Contains("teacher " + said.substr(0, said.find('.') + 2)));
  const Json results = results_of(dir);
  CHECK(results.at("teacher_top1") == own);
  CHECK(results.at("students").at("w4a4").at("teacher_top1") == foreign);
  const Outcome report = run(scratch, {"report", "--run", dir});
  CHECK_THAT(report.out, Catch::Contains("teacher of w4a4"));
  CHECK_THAT(slurp(dir + "/report.html"), Catch::Contains("teacher of w4a4"));
}

TEST_CASE("a model that differs from its student is found out", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  REQUIRE(run(scratch, with(small_train(data, dir), {"--epochs", "1"})).code == 0);
  const std::vector<std::string> quick = {"--epochs-per-stage", "0", "--joint-epochs", "0"};
  REQUIRE(run(scratch, with(small_distill(dir), quick)).code == 0);
  REQUIRE(run(scratch, with(small_distill(dir),
                            with(quick, {"--name", "other", "--calibration-images", "20"})))
              .code == 0);
  fs::copy_file(dir + "/other.safetensors", dir + "/w4a4.safetensors",
                fs::copy_options::overwrite_existing);
  const Outcome verify = run(scratch, {"verify", "--run", dir, "--name", "w4a4", "--quiet"});
  CHECK(verify.code == 3);
  CHECK_THAT(verify.out, Catch::Contains("mismatches in") && Catch::Contains("layer"));
  CHECK(results_of(dir).at("students").at("w4a4").at("mismatches").get<int>() > 0);
}

TEST_CASE("killed at any moment and resumed, a run ends in the same bits", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string whole = scratch.path("whole"), broken = scratch.path("broken");
  const std::vector<std::string> often = {"--checkpoint-every", "1"};
  // Profiled, unlike the one it is compared with: that changes no figure.
  const Outcome profiled = run(scratch, with(small_train(data, whole), {"--profile"}));
  REQUIRE(profiled.code == 0);
  CHECK_THAT(profiled.err, Catch::Contains("conv1") && Catch::Contains("weight gradient"));
  const Json profile = Json::parse(slurp(whole + "/profile.json"));
  CHECK(profile.at("steps").get<int>() > 0);
  double accounted = 0;
  for (const Json& row : profile.at("rows")) accounted += row.at("seconds").get<double>();
  CHECK(accounted > 0);
  CHECK(accounted <= profile.at("epoch_seconds").get<double>());

  const auto train = with(small_train(data, broken), often);
  const Outcome killed = run(scratch, train, signal_after(broken + "/train.checkpoint", SIGKILL));
  REQUIRE(killed.code == 128 + SIGKILL);
  CHECK_FALSE(fs::exists(broken + "/teacher.safetensors"));
  check_one_error(run(scratch, train), 2, {broken, "--resume", "--overwrite"});
  check_one_error(run(scratch, with(train, {"--resume", "--lr", "0.04"})), 2,
                  {"train.checkpoint", "lr = 0.05, not 0.04"});
  const Outcome resumed = run(scratch, with(train, {"--resume"}));
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  check_same_run(whole, broken, {"teacher.safetensors"});

  REQUIRE(run(scratch, small_distill(whole)).code == 0);
  const auto distill = with(small_distill(broken), {"--checkpoint-seconds", "0.1"});
  const Outcome killed_later =
      run(scratch, distill, signal_after(broken + "/distill-w4a4.checkpoint", SIGKILL));
  REQUIRE(killed_later.code == 128 + SIGKILL);
  const std::string other = scratch.path("other");
  REQUIRE(run(scratch, with(small_train(data, other), {"--seed", "2", "--epochs", "1"})).code == 0);
  check_one_error(
      run(scratch, with(distill, {"--resume", "--teacher", other + "/teacher.safetensors"})), 2,
      {"other/teacher.safetensors", "distill-w4a4.checkpoint"});
  REQUIRE(run(scratch, with(distill, {"--resume"})).code == 0);
  check_same_run(whole, broken, {"w4a4.safetensors", "w4a4.student.safetensors"});
}

TEST_CASE("a run goes on with the network it began with, whatever the file says by then",
          "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  const auto network = [&](int hidden) {
    return scratch.write(
        "net.json",
        R"({"name": "net", "height": 28, "width": 28, "channels": 1, "classes": 10, "units": [)"
        R"({"name": "f1", "kind": "linear", "out": )" +
            std::to_string(hidden) +
            R"(, "batch_norm": true, "relu": true},)"
            R"({"name": "f2", "kind": "linear", "out": 10, "batch_norm": false, "relu": false}]})");
  };
  std::vector<std::string> train = small_train(data, dir);
  train.erase(std::find(train.begin(), train.end(), "--width"),
              std::find(train.begin(), train.end(), "--batch"));
  train = with(train, {"--network", network(16), "--epochs", "200", "--checkpoint-every", "5"});
  const Outcome stopped = run(scratch, train, signal_after(dir + "/train.checkpoint", SIGTERM));
  INFO(stopped.err);
  REQUIRE(stopped.code == 75);
  network(24);
  check_one_error(run(scratch, with(train, {"--resume"})), 2,
                  {"train.checkpoint", "another network"});
  CHECK(fs::exists(dir + "/train.checkpoint"));
}

TEST_CASE("killed three times at random moments, the same bits", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  if (!fs::exists("tests/kill_resume.sh")) INTANDEM_SKIP("not run from the sources' directory");
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const Outcome outcome =
      run_words(scratch, {"bash", "tests/kill_resume.sh", program(), "3", "7", data});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, Catch::Contains("3 kills in ") && Catch::Contains("0 differences"));
}

TEST_CASE("SIGTERM stops with a checkpoint and exit code 75", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string whole = scratch.path("whole"), stopped = scratch.path("stopped");
  REQUIRE(run(scratch, small_train(data, whole)).code == 0);
  const auto train = with(small_train(data, stopped), {"--checkpoint-every", "3"});
  const Outcome stop = run(scratch, train, signal_after(stopped + "/train.checkpoint", SIGTERM));
  INFO(stop.err);
  REQUIRE(stop.code == 75);
  CHECK_THAT(stop.err, Catch::Contains("--resume"));
  REQUIRE(run(scratch, with(train, {"--resume"})).code == 0);
  check_same_run(whole, stopped, {"teacher.safetensors"});

  REQUIRE(run(scratch, small_distill(whole)).code == 0);
  const std::string checkpoint = stopped + "/distill-w4a4.checkpoint";
  // Stopped again and again, until it gets through.
  Outcome distill = run(scratch, small_distill(stopped), signal_after(checkpoint, SIGTERM));
  REQUIRE(distill.code == 75);
  for (int stops = 0; stops < 3; ++stops) {
    const auto soon = [](pid_t child) {
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      kill(child, SIGTERM);
    };
    distill = run(scratch, with(small_distill(stopped), {"--resume"}), soon);
    INFO(distill.err);
    // 143: the signal came before the handler was installed, a kill like any other.
    REQUIRE((distill.code == 75 || distill.code == 0 || distill.code == 128 + SIGTERM));
  }
  distill = run(scratch, with(small_distill(stopped), {"--resume"}));
  REQUIRE(distill.code == 0);
  check_same_run(whole, stopped, {"w4a4.safetensors", "w4a4.student.safetensors"});
}
