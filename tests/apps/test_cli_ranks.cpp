// The program as several processes of mpirun.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "tests/apps/ranks.hpp"
#include "tests/with_variable.hpp"

using namespace intandem;
using namespace intandem::apps_test;

namespace {

/// Process of the last rank, once there is something in the file `log`, however long that takes.
pid_t last_rank(pid_t launcher, const std::string& log) {
  siginfo_t ended{};
  while (slurp(log).empty()) {
    if (waitid(P_PID, static_cast<id_t>(launcher), &ended, WEXITED | WNOHANG | WNOWAIT) == 0) {
      REQUIRE(ended.si_pid != launcher);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::string number = std::to_string(launcher);
  std::istringstream children(slurp("/proc/" + number + "/task/" + number + "/children"));
  pid_t last = 0;
  for (pid_t child; children >> child;) last = child;
  REQUIRE(last > 0);
  return last;
}

}  // namespace

TEST_CASE("teacher and student have the same bits at 1, 2 and 4 ranks", "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const std::vector<std::string> files = {"teacher.safetensors", "w4a4.student.safetensors",
                                          "w4a4.safetensors",    "w4a4.samples.json",
                                          "integer.csv",         "logits.npy",
                                          "teacher.csv"};
  const std::string whole = scratch.path("ranks0");
  for (const int ranks : {0, 1, 2, 4}) {
    const std::string run_dir = scratch.path("ranks" + std::to_string(ranks));
    const auto go = [&](const std::vector<std::string>& words) {
      const Outcome outcome = run_ranks(scratch, ranks, words);
      INFO(ranks << " ranks: " << outcome.err);
      REQUIRE(outcome.code == 0);
      return outcome.out;
    };
    go(with(small_train(data, run_dir), {"--shards", "4"}));
    go(with(small_distill(run_dir), {"--shards", "4"}));
    go({"baseline", "--run", run_dir, "--calibration-images", "100", "--quiet"});
    CHECK_THAT(go({"verify", "--run", run_dir, "--name", "w4a4", "--quiet"}),
               Catch::Contains("0 mismatches in 100 images"));
    const std::string evaluated =
        go({"eval", run_dir + "/w4a4.safetensors", "--batch", "7", "--predictions",
            run_dir + "/integer.csv", "--logits", run_dir + "/logits.npy"});
    go({"eval", run_dir + "/teacher.safetensors", "--batch", "7", "--predictions",
        run_dir + "/teacher.csv"});
    CHECK(std::count(evaluated.begin(), evaluated.end(), '\n') == 3);
    if (ranks == 0) continue;
    for (const std::string& file : files) {
      INFO(ranks << " ranks, " << file);
      CHECK(slurp(run_dir + "/" + file) == slurp(whole + "/" + file));
    }
    for (const char* file : {"results.json", "log.jsonl"}) {
      CHECK(figures(run_dir + "/" + file) == figures(whole + "/" + file));
    }
    const std::string first = evaluated.substr(0, evaluated.find('\n'));
    CHECK_THAT(first, Catch::StartsWith("top-1 "));
  }
}

TEST_CASE("ranks without a shard each are refused, and so are commands of one process",
          "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const Outcome outcome = run_ranks(scratch, 2, small_train(data, scratch.path("run")));
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, Catch::Contains("give --shards 2 or more"));
  // Both ranks meet the error, and the first one's line is the one that is seen.
  CHECK(outcome.err.find("intandem: error") == outcome.err.rfind("intandem: error"));
  const Outcome report = run_ranks(scratch, 2, {"report", "--run", scratch.path("run")});
  CHECK(report.code == 2);
  CHECK_THAT(report.err, Catch::Contains("report: is done by one process, and there are 2"));
}

TEST_CASE("sums go on while the backward pass does, and the trace shows it", "[apps][ranks]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch), trace = scratch.path("trace.json");
  // Wide enough for several buckets.
  const Outcome outcome =
      run(scratch, with(small_train(data, scratch.path("run")),
                        {"--width", "1", "--epochs", "1", "--shards", "2", "--trace-comm", trace}));
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK_THAT(outcome.err, Catch::Contains("within backward passes"));
  const Json events = Json::parse(slurp(trace)).at("traceEvents");
  // A gradient's sum that began before the same step's backward pass was over.
  int hidden = 0;
  for (const Json& sum : events) {
    if (sum.at("tid") != "communication" || sum.at("args").at("bytes") < 100'000) continue;
    for (const Json& pass : events) {
      if (pass.at("name") != "backward") continue;
      const auto begin = pass.at("ts").get<std::int64_t>(), at = sum.at("ts").get<std::int64_t>();
      hidden += begin < at && at < begin + pass.at("dur").get<std::int64_t>();
    }
  }
  CHECK(hidden > 0);
}

TEST_CASE("a rank that falls silent ends the job with a line that names it", "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch), run_dir = scratch.path("run");
  const test::WithVariable silence("INTANDEM_SILENCE_SECONDS", "5");
  pid_t stopped = 0;
  const Outcome outcome =
      run_ranks(scratch, 2, with(small_train(data, run_dir), {"--shards", "2", "--epochs", "2000"}),
                [&](pid_t launcher) {
                  stopped = last_rank(launcher, run_dir + "/log.jsonl");
                  kill(stopped, SIGSTOP);
                });
  kill(stopped, SIGKILL);
  INFO(outcome.err);
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, Catch::Contains("intandem: error: rank 1 (host ") &&
                              Catch::Contains(", process " + std::to_string(stopped) + ")") &&
                              Catch::Contains("has not been heard of for 5 s"));
}

TEST_CASE("ranks killed three times at random moments, the same bits on any number of them",
          "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  if (!std::filesystem::exists("tests/kill_ranks.sh")) {
    INTANDEM_SKIP("not run from the sources' directory");
  }
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const Outcome outcome =
      run_words(scratch, {"bash", "tests/kill_ranks.sh", program(), "3", "7", data});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, Catch::Contains("3 kills in ") && Catch::Contains("0 differences"));
}

TEST_CASE("a signal to one rank stops all with a checkpoint, and other ranks go on",
          "[apps][ranks]") {
  INTANDEM_NEED_MPI();
  const TemporaryDirectory scratch;
  const std::string data = write_bars(scratch);
  const auto long_train = [&](const std::string& run_dir) {
    return with(small_train(data, run_dir), {"--shards", "4", "--epochs", "40"});
  };
  const std::string whole = scratch.path("whole"), run_dir = scratch.path("run");
  REQUIRE(run(scratch, long_train(whole)).code == 0);
  const std::string log = run_dir + "/log.jsonl";
  const Outcome stopped = run_ranks(scratch, 2, long_train(run_dir), [&](pid_t launcher) {
    kill(last_rank(launcher, log), SIGTERM);
  });
  INFO(stopped.err);
  CHECK(stopped.code == 75);
  CHECK_THAT(stopped.err, Catch::Contains("go on with --resume"));
  REQUIRE(std::filesystem::exists(run_dir + "/train.checkpoint"));
  const Outcome resumed = run_ranks(scratch, 3, {"train", "--run", run_dir, "--resume", "--quiet"});
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(slurp(run_dir + "/teacher.safetensors") == slurp(whole + "/teacher.safetensors"));
  CHECK(figures(log) == figures(whole + "/log.jsonl"));
}
