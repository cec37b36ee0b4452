// When to initialize, train, evaluate and freeze: a pure state machine, tested without training.
#pragma once

#include <cstdint>
#include <limits>

namespace intandem {

struct ScheduleOptions {
  int stages = 1;                    ///< units of the network; stage `stages` is the joint phase
  std::int64_t steps_per_eval = 1;   ///< training steps between evaluations of a stage
  std::int64_t evals_per_stage = 1;  ///< evaluations after training steps, at most
  std::int64_t patience = 1;         ///< evaluations in a row without a new best before freezing
  std::int64_t joint_steps_per_eval = 1;
  std::int64_t joint_evals = 0;  ///< 0: no joint phase
};

enum class ActionKind {
  init,      ///< local init of unit `stage`, or the start of the joint phase
  train,     ///< steps first_step … last_step − 1 of the stage
  evaluate,  ///< held-out metric of the stage
  freeze,    ///< restore the best parameters; the stage is over
  done,
};

struct Action {
  ActionKind kind = ActionKind::done;
  int stage = 0;
  std::int64_t first_step = 0, last_step = 0;

  friend bool operator==(const Action&, const Action&) = default;
};

/// Everything the machine remembers; plain integers and one double, stored in checkpoints.
struct ScheduleState {
  ActionKind phase = ActionKind::init;
  int stage = 0;
  std::int64_t step = 0;    ///< training steps done in this stage
  std::int64_t evals = 0;   ///< evaluations done in this stage; the first is before any training
  std::int64_t waited = 0;  ///< evaluations since the best one
  double best = std::numeric_limits<double>::infinity();  ///< lowest metric of this stage

  friend bool operator==(const ScheduleState&, const ScheduleState&) = default;
};

/// init → evaluate → (train → evaluate)* → freeze, for each stage and then the joint phase (D6).
/// A stage ends after evals_per_stage trainings or when `patience` evaluations in a row brought no
/// new best. A metric that is not a number never is a new best.
class Schedule {
 public:
  explicit Schedule(const ScheduleOptions& options, const ScheduleState& state = {});

  /// What to do next. Pure: the answer changes only through the calls below.
  Action next() const;
  /// Training has come to `step` (first_step < step ≤ last_step of the current train action).
  void trained(std::int64_t step);
  /// The current init or freeze action is done.
  void finished();
  /// The current evaluate action gave `metric` (lower is better). Returns true on a new best.
  bool evaluated(double metric);

  const ScheduleState& state() const { return state_; }
  const ScheduleOptions& options() const { return options_; }
  bool is_joint() const { return state_.stage == options_.stages; }
  /// Steps the stage can have at most: the horizon of its learning-rate schedule.
  std::int64_t max_steps() const { return steps_per_eval() * max_evals(); }

 private:
  std::int64_t steps_per_eval() const;
  std::int64_t max_evals() const;

  ScheduleOptions options_;
  ScheduleState state_;
};

}  // namespace intandem
