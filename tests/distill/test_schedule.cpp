// The schedule as a pure state machine: no training involved.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "distill/schedule.hpp"

using namespace intandem;

namespace {

/// Runs a schedule with the metrics given per evaluation; returns e.g. "i0 e t0-5 e f …".
std::string trace(Schedule& schedule, const std::vector<double>& metrics, std::size_t& used) {
  std::string text;
  for (Action a = schedule.next(); a.kind != ActionKind::done; a = schedule.next()) {
    switch (a.kind) {
      case ActionKind::init:
        text += "i" + std::to_string(a.stage) + " ";
        schedule.finished();
        break;
      case ActionKind::train:
        text += "t" + std::to_string(a.first_step) + "-" + std::to_string(a.last_step) + " ";
        schedule.trained(a.last_step);
        break;
      case ActionKind::evaluate:
        text += schedule.evaluated(metrics.at(used++)) ? "E " : "e ";
        break;
      case ActionKind::freeze:
        text += "f ";
        schedule.finished();
        break;
      case ActionKind::done:
        break;
    }
  }
  return text;
}

ScheduleOptions two_stages() {
  ScheduleOptions options;
  options.stages = 2;
  options.stage_steps = 15;
  options.stage_evals = 3;
  options.patience = 2;
  return options;
}

}  // namespace

TEST_CASE("a stage ends with its budget") {
  Schedule schedule(two_stages());
  std::size_t used = 0;
  CHECK(trace(schedule, {8, 7, 6, 5, 4, 3, 2, 1}, used) ==
        "i0 E t0-5 E t5-10 E t10-15 E f i1 E t0-5 E t5-10 E t10-15 E f ");
  CHECK(used == 8);
}

TEST_CASE("patience ends a stage early and a new best resets it") {
  Schedule schedule(two_stages());
  std::size_t used = 0;
  CHECK(trace(schedule, {5, 6, 6, /*stage 1*/ 5, 6, 4, 4}, used) ==
        "i0 E t0-5 e t5-10 e f i1 E t0-5 e t5-10 E t10-15 e f ");
}

TEST_CASE("an equal metric is not a new best, nor is one that is not a number") {
  Schedule schedule(two_stages());
  std::size_t used = 0;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(trace(schedule, {5, 5, 5, nan, nan}, used) == "i0 E t0-5 e t5-10 e f i1 e t0-5 e f ");
}

TEST_CASE("the joint phase is a last stage with its own budget") {
  ScheduleOptions options = two_stages();
  options.stages = 1;
  options.stage_steps = options.stage_evals = 0;
  options.joint_steps = 14;
  options.joint_evals = 2;
  Schedule schedule(options);
  std::size_t used = 0;
  CHECK(trace(schedule, {1, 3, 2, 1}, used) == "i0 E f i1 E t0-7 E t7-14 E f ");
  CHECK(schedule.next().kind == ActionKind::done);
}

TEST_CASE("training may stop inside a stretch, and a restored state continues it") {
  Schedule schedule(two_stages());
  schedule.finished();
  schedule.evaluated(3.0);
  schedule.trained(2);
  CHECK(schedule.next() == Action{ActionKind::train, 0, 2, 5});
  Schedule restored(schedule.options(), schedule.state());
  CHECK(restored.next() == schedule.next());
  std::size_t first = 0, second = 0;
  const std::vector<double> metrics = {4, 2, 2, 9, 8, 7, 6};
  CHECK(trace(schedule, metrics, first) == trace(restored, metrics, second));
}

TEST_CASE("reports out of turn are refused") {
  Schedule schedule(two_stages());
  CHECK_THROWS_AS(schedule.evaluated(1.0), Error);
  CHECK_THROWS_AS(schedule.trained(1), Error);
  schedule.finished();
  CHECK_THROWS_AS(schedule.finished(), Error);
  schedule.evaluated(1.0);
  CHECK_THROWS_AS(schedule.trained(0), Error);
  CHECK_THROWS_AS(schedule.trained(6), Error);
  ScheduleOptions bad = two_stages();
  bad.patience = 0;
  CHECK_THROWS_AS(Schedule(bad), Error);
}

TEST_CASE("a budget is never longer than the passes asked for") {
  CHECK(make_budget(0.1, 4, 11).steps == 1);  // 1.1 steps: one, with one evaluation
  CHECK(make_budget(0.1, 4, 11).evals == 1);
  CHECK(make_budget(0.3, 4, 11).steps == 3);
  CHECK(make_budget(0.3, 4, 11).evals == 3);
  CHECK(make_budget(2.0, 4, 11).steps == 22);
  CHECK(make_budget(2.0, 4, 11).evals == 4);
  CHECK(make_budget(0.0, 4, 11).steps == 0);
  CHECK(make_budget(1e-9, 4, 11).steps == 1);
}

TEST_CASE("evaluations are spread evenly over steps that they do not divide") {
  ScheduleOptions options;
  options.stage_steps = 11;
  options.stage_evals = 4;
  options.patience = 9;
  Schedule schedule(options);
  std::size_t used = 0;
  CHECK(trace(schedule, {5, 4, 3, 2, 1}, used) == "i0 E t0-2 E t2-5 E t5-8 E t8-11 E f ");
}
