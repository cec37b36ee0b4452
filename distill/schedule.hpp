// When to initialize, train, evaluate and freeze: a pure state machine, tested without training.
#pragma once

#include <cstdint>
#include <limits>

namespace intandem {

struct ScheduleOptions {
  int stages = 1;                ///< units of the network; stage `stages` is the joint phase
  std::int64_t stage_steps = 0;  ///< training steps of a stage, at most; 0: none
  std::int64_t stage_evals = 0;  ///< evaluations in that time, evenly spaced; at most stage_steps
  std::int64_t joint_steps = 0;  ///< the same for the joint phase; 0: there is none
  std::int64_t joint_evals = 0;
  std::int64_t patience = 1;  ///< evaluations in a row without a new best before freezing
};

/// Fills in steps and evaluations of a stage and of the joint phase from passes over the data:
/// ⌊epochs·batches_per_epoch + ½⌋ steps, at least 1 unless epochs is 0, and no more evaluations
/// than steps.
struct Budget {
  std::int64_t steps = 0, evals = 0;
};
Budget make_budget(double epochs, std::int64_t evals, std::int64_t batches_per_epoch);

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
/// A stage ends after its budget of steps or when `patience` evaluations in a row brought no
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
  std::int64_t max_steps() const {
    return is_joint() ? options_.joint_steps : options_.stage_steps;
  }

 private:
  std::int64_t max_evals() const {
    return is_joint() ? options_.joint_evals : options_.stage_evals;
  }

  ScheduleOptions options_;
  ScheduleState state_;
};

}  // namespace intandem
