// Sweeps: what a file asks for, and whole sweeps of the real program that stop, resume and fail.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/sweep/sweep_file.hpp"
#include "apps/sweep/sweep_report.hpp"
#include "apps/sweep/sweep_settings.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

const char* const kFile = R"({
  "title": "Two bits",
  "teachers": {"a": {"train": {"width": 0.1, "epochs": 1}}, "b": {"train": {"seed": 7}}},
  "seeds": [1, 2],
  "distill": {"tau": 3},
  "groups": {"W4A4": {}, "W2A2": {"weight_bits": 2, "activation_bits": 2}},
  "jobs": [
    {"label": "folded", "kind": "baseline", "teachers": ["a"]},
    {"label": "tandem", "config": {"lr": 0.02}},
    {"label": "once", "series": "at once", "groups": ["W2A2"], "teachers": ["b"], "seeds": [5],
     "config": {"epochs_per_stage": 0, "tau": 4}}
  ]
})";

Sweep read_text(const TemporaryDirectory& scratch, const std::string& text,
                const SweepOverrides& overrides = {}) {
  return read_sweep(scratch.write("sweep.json", text), "runs/x", overrides);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

bool has_pair(const std::vector<std::string>& words, const std::string& a, const std::string& b) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == a && words[i + 1] == b) return true;
  }
  return false;
}

/// A sweep of seconds on the made-up data set.
std::string small_sweep(const TemporaryDirectory& scratch, const std::string& more_jobs = "") {
  return scratch.write("sweep.json", R"({
  "title": "Small <sweep>",
  "data_dir": ")" + write_bars(scratch) + R"(",
  "teachers": {"bars": {"train": {"held_out": 40, "width": 0.1, "batch": 20, "epochs": 3,
                                  "lr": 0.05, "shift": 1, "flip": false}}},
  "seeds": [1, 2],
  "distill": {"batch": 20, "epochs_per_stage": 0.5, "evals_per_stage": 2, "joint_evals": 2,
              "calibration_images": 100},
  "groups": {"W4A4": {}, "W2A2": {"weight_bits": 2, "activation_bits": 2}},
  "jobs": [
    {"label": "folded", "kind": "baseline"},
    {"label": "tandem", "groups": ["W4A4"]},
    {"label": "at once", "groups": ["W2A2"], "seeds": [1],
     "config": {"epochs_per_stage": 0, "joint_epochs": 2}})" +
                                         more_jobs + "]}");
}

}  // namespace

TEST_CASE("a sweep file becomes jobs: teachers x groups x seeds", "[apps][sweep]") {
  const TemporaryDirectory scratch;
  const Sweep sweep = read_text(scratch, kFile);
  REQUIRE(sweep.jobs.size() == 2 + 2 + 8 + 1);
  CHECK(sweep.jobs[1].kind == SweepKind::teacher);
  CHECK(sweep.jobs[1].seed == 7);
  const SweepJob& folded = sweep.jobs[2];
  CHECK(folded.group == "W4A4");
  CHECK(folded.depends_on == 1);
  CHECK_FALSE(has_pair(folded.arguments, "--tau", "3.0"));  // nothing is trained
  const SweepJob& tandem = sweep.jobs[4];
  CHECK(tandem.number == 5);
  CHECK(has_pair(tandem.arguments, "--tau", "3.0"));
  CHECK(has_pair(tandem.arguments, "--lr", "0.02"));
  CHECK(has_pair(tandem.arguments, "--teacher", tandem.teacher_file));
  CHECK_THAT(tandem.teacher_file, Catch::StartsWith("runs/x/teachers/a-"));
  const SweepJob& once = sweep.jobs.back();
  CHECK(once.series == "at once");
  CHECK(once.depends_on == 2);
  CHECK(has_pair(once.arguments, "--tau", "4.0"));
  CHECK(has_pair(once.arguments, "--seed", "5"));
  CHECK(has_pair(once.arguments, "--weight-bits", "2"));
  CHECK(once.verify.front() == "verify");
  std::set<std::string> directories;
  for (const SweepJob& job : sweep.jobs) directories.insert(job.directory);
  CHECK(directories.size() == sweep.jobs.size());
}

TEST_CASE("teachers and quantized training start from another teacher", "[apps][sweep]") {
  const TemporaryDirectory scratch;
  const std::string text = R"({
    "title": "Starts",
    "teachers": {"a": {"train": {"width": 0.1}},
                 "q": {"from": "a", "train": {"width": 0.1, "quantizer": "dorefa"}}},
    "train": {"epochs": 3},
    "groups": {"W2A2": {"weight_bits": 2, "activation_bits": 2}},
    "jobs": [{"label": "qat", "kind": "train", "teachers": ["a"], "config": {"quantizer": "lsq"}},
             {"label": "random", "kind": "train", "start": "random", "teachers": ["a"],
              "config": {"quantizer": "lsq"}},
             {"label": "tandem", "teachers": ["q"]}]
  })";
  const Sweep sweep = read_text(scratch, text);
  REQUIRE(sweep.jobs.size() == 5);
  CHECK(sweep.jobs[1].depends_on == 1);
  CHECK(has_pair(sweep.jobs[1].arguments, "--init", sweep.jobs[0].teacher_file));
  const SweepJob& qat = sweep.jobs[2];
  CHECK(has_pair(qat.arguments, "--init", sweep.jobs[0].teacher_file));
  CHECK(has_pair(qat.arguments, "--weight-bits", "2"));
  CHECK(has_pair(qat.arguments, "--epochs", "3"));
  CHECK(has_pair(qat.arguments, "--width", "0.1"));  // the teacher's own recipe
  CHECK(sweep.jobs[3].init.empty());
  CHECK(sweep.jobs[3].directory != qat.directory);
  CHECK(sweep.jobs[4].depends_on == 2);
  data_test::check_error(
      [&] { read_text(scratch, replaced(text, "\"from\": \"a\"", "\"from\": \"b\"")); },
      {"teacher 'q'", "'b'"});
  data_test::check_error(
      [&] { read_text(scratch, replaced(text, "\"start\": \"random\"", "\"start\": \"x\"")); },
      {"job 'random'", "'start'"});
}

TEST_CASE("a job's directory depends on what it does, not on what it is called", "[apps][sweep]") {
  const TemporaryDirectory scratch;
  const Sweep sweep = read_text(scratch, kFile);
  const Sweep renamed = read_text(scratch, replaced(kFile, "\"tandem\"", "\"ours\""));
  const Sweep same =
      read_text(scratch, replaced(kFile, "\"lr\": 0.02", "\"lr\": 0.02, \"lambda\": 1"));
  const Sweep other = read_text(scratch, replaced(kFile, "\"lr\": 0.02", "\"lr\": 0.03"));
  const Sweep other_teacher = read_text(scratch, replaced(kFile, "\"epochs\": 1", "\"epochs\": 2"));
  SweepOverrides overrides;
  overrides.data_dir = "/elsewhere";
  overrides.threads = 3;
  const Sweep moved = read_text(scratch, kFile, overrides);
  CHECK(has_pair(moved.jobs[4].arguments, "--data-dir", "/elsewhere"));
  CHECK(has_pair(moved.jobs[4].verify, "--threads", "3"));
  CHECK(sweep.jobs[4].directory == renamed.jobs[4].directory);
  CHECK(sweep.jobs[4].directory == same.jobs[4].directory);
  CHECK(sweep.jobs[4].directory == moved.jobs[4].directory);
  CHECK(sweep.jobs[4].directory != other.jobs[4].directory);
  CHECK(sweep.jobs[4].directory != other_teacher.jobs[4].directory);
  CHECK(sweep.jobs.back().directory == other.jobs.back().directory);
}

TEST_CASE("settings of a run are compared key by key", "[apps][sweep]") {
  const Json resolved = {{"lr", 0.01}, {"tau", 2.0}, {"new_key", 0}}, chosen = {{"lr", 0.01}};
  CHECK(settings_difference(resolved, chosen, {{"lr", 0.01}, {"tau", 2.0}, {"old", 3}}).empty());
  CHECK(settings_difference(resolved, chosen, {{"lr", 0.01}, {"tau", 4.0}}) ==
        "tau = 4.0, not 2.0");
  CHECK(settings_difference(resolved, chosen, {{"tau", 2.0}}) == "lr = null, not 0.01");
}

TEST_CASE("faults of a sweep file are named before anything runs", "[apps][sweep]") {
  const TemporaryDirectory scratch;
  const auto check = [&](const std::string& from, const std::string& to,
                         const std::vector<std::string>& parts) {
    INFO(to);
    data_test::check_error([&] { read_text(scratch, replaced(kFile, from, to)); }, parts);
  };
  check("\"lr\": 0.02", "\"lrr\": 0.02", {"sweep.json, job 'tandem'", "'lrr'", "'lr'"});
  check("\"lr\": 0.02", "\"lr\": \"x\"", {"job 'tandem'", "'lr'"});
  check("\"tau\": 3", "\"seeds\": 3", {"'distill'", "'seeds'"});
  check("\"lr\": 0.02", "\"name\": \"x\"", {"job 'tandem'", "'name' is set by the sweep"});
  check("\"series\"", "\"serie\"", {"job 3", "'serie'", "'series'"});
  check("[\"b\"]", "[\"c\"]", {"job 'once'", "'c'"});
  check("[\"W2A2\"]", "[\"W2A3\"]", {"job 'once'", "'W2A3'", "'W2A2'"});
  check("[1, 2]", "[1, -2]", {"'seeds'"});
  check("[1, 2]", "{}", {"'seeds'", "wrong type"});
  check("[1, 2]", "[1, 1]", {"job 'tandem'", "listed twice"});
  check("\"baseline\"", "\"base\"", {"job 'folded'", "'base'"});
  check("\"b\": {\"train\"", "\"b c\": {\"train\"", {"teacher 'b c'"});
  check("{\"seed\": 7}", "{\"sed\": 7}", {"teacher 'b'", "'sed'"});
  check("\"label\": \"tandem\",", "", {"job 2", "no label"});
  check("\"title\": \"Two bits\",", "", {"no title"});
  check("{\"train\": {\"seed\": 7}}", "{\"file\": \"nowhere.safetensors\"}",
        {"nowhere.safetensors"});
  check("{\"train\": {\"seed\": 7}}", "{}", {"teacher 'b'", "exactly one"});
  data_test::check_error([&] { read_text(scratch, "[]"); }, {"sweep.json", "not a JSON object"});
  data_test::check_error([&] { read_text(scratch, "{"); }, {"sweep.json", "not valid JSON"});
  SweepOverrides overrides;
  overrides.teachers = {"c=x"};
  data_test::check_error([&] { read_text(scratch, kFile, overrides); }, {"--teacher", "c=x"});
}

TEST_CASE("the sweep files that come with the program are valid", "[apps][sweep]") {
  if (!fs::exists("apps/configs")) INTANDEM_SKIP("not run from the root of the repository");
  int files = 0;
  for (const auto& entry : fs::directory_iterator("apps/configs")) {
    const std::string path = entry.path().string();
    if (path.find("cifar10-") == std::string::npos) continue;
    INFO(path);
    CHECK_NOTHROW(read_sweep(path, "runs/x", {}));
    ++files;
  }
  CHECK(files >= 5);
}

TEST_CASE("means and standard deviations", "[apps][sweep]") {
  Samples samples;
  CHECK(std::isnan(samples.mean()));
  samples.add(90);
  CHECK(samples.mean() == 90);
  CHECK(std::isnan(samples.deviation()));
  samples.add(92);
  samples.add(std::nan(""));
  samples.add(91);
  CHECK(samples.mean() == 91);
  CHECK(samples.deviation() == Approx(1.0));
}

TEST_CASE("a sweep runs, skips what is done, names what fails and reports", "[apps][cli][sweep]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string file = small_sweep(scratch, R"(,
    {"label": "broken", "groups": ["W4A4"], "config": {"overrides": "no=2/2"}},
    {"label": "float batch norm", "kind": "train", "groups": ["W2A2"], "seeds": [1],
     "config": {"quantizer": "lsq", "epochs": 1, "lr": 0.005}})");
  const std::string dir = scratch.path("run");
  const std::vector<std::string> words = {"sweep", file, "--run", dir, "--threads", "1"};
  const Outcome list = run(scratch, with(words, {"--list"}));
  CHECK(list.code == 0);
  CHECK_THAT(list.out,
             Contains("# 1: teacher bars") && Contains("distill --run " + dir + "/jobs/"));
  CHECK_FALSE(fs::exists(dir));

  const Outcome first = run(scratch, words);
  INFO(first.err);
  CHECK(first.code == 1);
  CHECK_THAT(first.err, Contains("2 jobs failed") &&
                            Contains("(broken, W4A4, teacher bars, seed 1)") &&
                            Contains("(broken, W4A4, teacher bars, seed 2)"));
  CHECK_THAT(first.out, Contains("tandem") && Contains("at once") && Contains("folded, per layer"));

  const SweepResults results = read_sweep_results(dir);
  CHECK(results.jobs == 1 + 2 + 2 + 1 + 2 + 1);
  CHECK(results.done == 7);
  const SweepRow& tandem = results.rows.at(4);
  REQUIRE(tandem.label == "tandem");
  CHECK(tandem.seeds == std::vector<std::int64_t>{1, 2});
  CHECK(tandem.top1.values.size() == 2);
  CHECK(tandem.verified == 2);
  CHECK(tandem.mismatches == 0);
  CHECK(tandem.passes.mean() > 1.0);
  CHECK(results.teachers.at(0).top1 > 50.0);
  const SweepRow& contender = results.rows.back();
  CHECK_FALSE(contender.in_integers);
  CHECK(contender.passes.mean() == 1);
  CHECK(contender.to_teacher.mean() == Approx(contender.top1.mean() - results.teachers.at(0).top1));
  const Json student =
      Json::parse(
          slurp(dir + "/" + read_text(scratch, slurp(file)).jobs[3].directory + "/results.json"))
          .at("students")
          .at("w4a4");
  CHECK(tandem.top1.values.at(0) == student.at("student_top1").get<double>());

  const std::string page = slurp(dir + "/report.md");
  CHECK_THAT(page, Contains("| tandem | 1, 2 |") && Contains("± ") && Contains("report-1.svg") &&
                       Contains("| broken | – (2 not done) |") && Contains("distill --run"));
  CHECK_THAT(slurp(dir + "/report-1.svg"), Contains("accuracy against bits"));
  CHECK_THAT(slurp(dir + "/report.html"), Contains("Small &lt;sweep&gt;"));

  // Nothing is done twice; the report is the same.
  fs::remove(dir + "/report.md");
  const Outcome second = run(scratch, words);
  CHECK(second.code == 1);
  CHECK_THAT(second.err, Contains("[4/9] tandem, W4A4, teacher bars, seed 1: done before"));
  CHECK(slurp(dir + "/report.md") == page);

  // A run under the same name with other settings is neither taken nor lost.
  const std::string job = dir + "/" + read_text(scratch, slurp(file)).jobs[3].directory;
  scratch.write("x", replaced(slurp(job + "/config.json"), "\"tau\": 2.0", "\"tau\": 2.5"));
  fs::copy_file(scratch.path("x"), job + "/config.json", fs::copy_options::overwrite_existing);
  const Outcome stale = run(scratch, with(words, {"--only", "4"}));
  CHECK(stale.code == 1);
  CHECK_THAT(stale.err, Contains("tau = 2.5, not 2.0") && Contains("remove that directory"));
  check_one_error(run(scratch, with(words, {"--only", "10"})), 2, {"--only", "1 to 9"});
  check_one_error(run(scratch, with(words, {"--only", "3-2"})), 2, {"--only", "'3-2'"});
}

TEST_CASE("a sweep stops with its job's checkpoint and goes on", "[apps][cli][sweep]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string file = small_sweep(scratch);
  const std::string dir = scratch.path("run");
  const std::vector<std::string> words = {"sweep", file, "--run", dir, "--threads", "1", "--quiet"};
  const Sweep plan = read_text(scratch, slurp(file));
  const std::string job = dir + "/" + plan.jobs[4].directory;
  const Outcome stopped =
      run(scratch, words, signal_after(job + "/distill-w4a4.checkpoint", SIGTERM));
  INFO(stopped.err);
  REQUIRE(stopped.code == 75);
  CHECK(fs::exists(job + "/distill-w4a4.checkpoint"));
  CHECK_FALSE(fs::exists(dir + "/" + plan.jobs[5].directory));
  CHECK(run(scratch, words).code == 0);

  // Two processes share what is left; the results are those of one.
  const std::string shared = scratch.path("shared");
  const TemporaryDirectory other;
  std::vector<std::string> both = words;
  both[3] = shared;
  Outcome second;
  const Outcome one = run(scratch, both, [&](pid_t) { second = run(other, both); });
  INFO(one.err << second.err);
  CHECK(one.code == 0);
  CHECK(second.code == 0);
  for (const SweepJob& each : plan.jobs) {
    const std::string model = "/" + each.directory + "/" +
                              (each.kind == SweepKind::teacher ? "teacher" : each.name) +
                              ".safetensors";
    if (each.kind == SweepKind::baseline) continue;
    INFO(model);
    CHECK(slurp(dir + model) == slurp(shared + model));
    CHECK(fs::exists(shared + model));
  }
}
