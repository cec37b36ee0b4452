// Stopping and going on: which flags, which data, which files, which signals.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
namespace fs = std::filesystem;

namespace {

/// A training stopped with a checkpoint in DIR/run; 320 bars as data.
std::vector<std::string> stopped_training(const TemporaryDirectory& scratch) {
  const std::string dir = scratch.path("run");
  const auto words = with(small_train(write_bars(scratch), dir), {"--checkpoint-every", "1"});
  REQUIRE(run(scratch, words, signal_after(dir + "/train.checkpoint", SIGHUP)).code == 75);
  return words;
}

}  // namespace

TEST_CASE("--resume alone knows the flags of the job", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("run"), whole = scratch.path("whole");
  stopped_training(scratch);
  const Outcome resumed = run(scratch, {"train", "--run", dir, "--resume", "--quiet"});
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  const Json record = Json::parse(slurp(dir + "/config.json"));
  CHECK(record.at("train").at("config").at("width") == 0.1);
  REQUIRE(run(scratch, small_train(scratch.path("data"), whole)).code == 0);
  CHECK(slurp(whole + "/teacher.safetensors") == slurp(dir + "/teacher.safetensors"));

  // A finished job does not pass for one with other flags.
  check_one_error(run(scratch, {"train", "--run", dir, "--resume", "--epochs", "9"}), 2,
                  {"the finished job 'train'", "epochs = 2, not 9", "--overwrite"});
  CHECK(run(scratch, {"train", "--run", dir, "--resume"}).out == resumed.out);

  // Students: the unfinished one is meant.
  const auto quick = with(small_distill(dir), {"--epochs-per-stage", "0", "--joint-epochs", "0"});
  REQUIRE(run(scratch, quick).code == 0);
  const auto low = with(small_distill(dir), {"--weight-bits", "2", "--name", "low"});
  REQUIRE(run(scratch, low, signal_after(dir + "/distill-low.checkpoint", SIGTERM)).code == 75);
  const Outcome student = run(scratch, {"distill", "--run", dir, "--resume", "--quiet"});
  INFO(student.err);
  CHECK(student.code == 0);
  CHECK_THAT(student.out, Catch::StartsWith("low "));
  CHECK_THAT(run(scratch, {"distill", "--run", dir, "--resume", "--name", "w4a4"}).out,
             Catch::StartsWith("w4a4 "));
}

TEST_CASE("images that changed while a run was stopped are noticed", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const auto words = with(stopped_training(scratch), {"--resume"});
  std::string pixels = bar_images(320);
  pixels[5000] = static_cast<char>(pixels[5000] ^ 1);
  scratch.write("data/train-images-idx3-ubyte.gz",
                data_test::gzip(data_test::idx_file({320, 28, 28}, pixels)));
  check_one_error(run(scratch, words), 1, {"train.checkpoint", "images have changed", "pixels"});
  std::string labels = bar_labels(320);
  std::swap(labels[0], labels[1]);
  scratch.write("data/train-labels-idx1-ubyte.gz",
                data_test::gzip(data_test::idx_file({320}, labels)));
  check_one_error(run(scratch, words), 1, {"train.checkpoint", "images have changed", "labels"});
  const Outcome insisted = run(scratch, with(words, {"--other-data"}));
  CHECK(insisted.code == 0);
  CHECK_THAT(insisted.err, Catch::Contains("images have changed"));
}

TEST_CASE("a missing log is noticed, a damaged checkpoint says the way out", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("run"), checkpoint = dir + "/train.checkpoint";
  const auto words = with(small_train(write_bars(scratch), dir), {"--checkpoint-every", "1"});
  // Stopped in the second epoch, when the log holds the first.
  const Outcome stop = run(scratch, words, [&](pid_t child) {
    signal_after(checkpoint, 0)(child);
    for (int i = 0; i < 20000 && slurp(dir + "/log.jsonl").empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, SIGTERM);
  });
  REQUIRE(stop.code == 75);
  fs::copy_file(checkpoint, dir + "/kept");
  const std::string good = slurp(checkpoint);
  scratch.write("run/train.checkpoint", good.substr(0, good.size() / 2));
  check_one_error(run(scratch, with(words, {"--resume"})), 1,
                  {checkpoint, "truncated", "delete it and run again with --resume"});
  scratch.write("run/train.checkpoint", good);
  fs::remove(dir + "/log.jsonl");
  const Outcome resumed = run(scratch, with(words, {"--resume"}));
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.err, Catch::Contains("log.jsonl: 1 of the 1 lines"));
  // Deleting the checkpoint and resuming works.
  const std::string other = scratch.path("other");
  auto again = words;
  again[2] = other;
  REQUIRE(run(scratch, again, signal_after(other + "/train.checkpoint", SIGTERM)).code == 75);
  fs::remove(other + "/train.checkpoint");
  CHECK(run(scratch, with(again, {"--resume"})).code == 0);
  CHECK(slurp(other + "/teacher.safetensors") == slurp(dir + "/teacher.safetensors"));
}

TEST_CASE("a stop while the images are read is a stop like any other", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::string dir = scratch.path("run");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    // A big file of labels, so that reading takes a while; it is bad at its end.
    scratch.write("data/train-images-idx3-ubyte.gz",
                  data_test::gzip(data_test::idx_file({200000, 28, 28}, bar_images(20000))));
    const Outcome stop = run(scratch, small_train(data, dir), [&](pid_t child) {
      // .owner is there as long as a process works in the directory, or was left by a stopped one.
      fs::remove(dir + "/.owner");
      signal_after(dir + "/.owner", 0)(child);
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      // Several of them, as schedulers send, while the first one is being answered.
      for (int i = 0; i < 200; ++i) kill(child, signal);
    });
    INFO("signal " << signal << ", exit code " << stop.code << ": " << stop.err);
    // 1: the data were read, and found too short, before the signal came.
    CHECK((stop.code == 75 || stop.code == 1));
    if (stop.code == 75) CHECK_THAT(stop.err, Catch::Contains("--resume"));
  }
  // What the parent lets its children ignore (nohup) stays ignored.
  write_bars(scratch);
  const auto words = with({"sh", "-c", "trap '' HUP; exec \"$@\"", "sh", program()},
                          with(small_train(data, dir), {"--checkpoint-every", "1"}));
  const Outcome nohup = run_words(scratch, words, signal_after(dir + "/train.checkpoint", SIGHUP));
  CHECK(nohup.code == 0);
}

TEST_CASE("baseline stops as the other jobs do", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 320, 5000), dir = scratch.path("run");
  REQUIRE(run(scratch, small_train(data, dir)).code == 0);
  const std::vector<std::string> words = {"baseline", "--run", dir, "--threads", "1", "--quiet"};
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    const std::string config = dir + "/config.json";
    const auto before = std::filesystem::last_write_time(config);
    const Outcome stop = run(scratch, with(words, {"--overwrite"}), [&](pid_t child) {
      // Its entry in config.json comes before the work; the one of the try before is not meant.
      for (int i = 0; i < 20000; ++i) {
        if (std::filesystem::last_write_time(config) != before &&
            slurp(config).find("baseline-w4a4") != std::string::npos) {
          break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      kill(child, signal);
    });
    INFO(stop.err);
    CHECK((stop.code == 75 || stop.code == 0));  // 0: it was done before the signal came
    if (stop.code == 75) CHECK_THAT(stop.err, Catch::Contains("go on with --resume"));
  }
  CHECK(run(scratch, with(words, {"--resume"})).code == 0);
}

TEST_CASE("more threads than processors are a note, not a crash", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  auto words = with(small_train(data, scratch.path("run")), {"--held-out", "20"});
  for (const char* flag : {"4096", "1"}) {
    const auto with_environment = with({"env", "OMP_NUM_THREADS=100000", program()},
                                       with(words, {"--threads", flag, "--overwrite"}));
    const Outcome outcome = run_words(scratch, with_environment);
    INFO(outcome.err);
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.err, Catch::Contains("note: 100000 threads asked for"));
  }
  const Outcome report = run_words(scratch, {"env", "OMP_NUM_THREADS=100000", program(), "eval",
                                             scratch.path("run/teacher.safetensors")});
  CHECK(report.code == 0);
}

TEST_CASE("records of a run that are not what intandem writes are named", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const std::string dir = scratch.path("run");
  const auto words = small_train(data, dir);
  for (const char* text :
       {"[]", "7", R"({"train": 1})", R"({"train": []})", R"({"train": {"config": 3}})",
        R"({"train": {"started": 1e999}})", R"({"train": {"config": {}, "started": 5}})",
        R"({"train": {"config": {"lr": "x"}}})"}) {
    scratch.write("run/config.json", text);
    INFO(text);
    for (const char* flag : {"--resume", "--overwrite"}) {
      const Outcome outcome = run(scratch, with(words, {flag}));
      if (outcome.code == 0) continue;  // a record of other keys can be overwritten
      CHECK_THAT(outcome.err, Catch::Contains("config.json") && !Catch::Contains("internal"));
    }
  }
  const std::string config = scratch.write("c.json", R"({"lr": 1e999})");
  check_one_error(run(scratch, {"train", "--run", scratch.path("b"), "--config", config}), 2,
                  {"c.json", "number"});
}

TEST_CASE("usage errors are told from errors of data", "[apps][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch, 60, 20);
  const auto words = small_train(data, scratch.path("run"));
  check_one_error(run(scratch, with(words, {"--batch", "500"})), 2, {"500", "--batch"});
  check_one_error(run(scratch, with(words, {"--held-out", "500"})), 2, {"500"});
  check_one_error(run(scratch, {"frobnicate", "--help"}), 2, {"frobnicate"});
  check_one_error(run(scratch, {"--help", "frobnicate"}), 2, {"frobnicate"});
}
