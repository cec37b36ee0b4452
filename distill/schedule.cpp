#include "distill/schedule.hpp"

#include "core/error.hpp"

namespace intandem {

Schedule::Schedule(const ScheduleOptions& options, const ScheduleState& state)
    : options_(options), state_(state) {
  INTANDEM_CHECK(options.stages >= 1 && options.steps_per_eval >= 1 &&
                     options.evals_per_stage >= 0 && options.patience >= 1 &&
                     options.joint_steps_per_eval >= 1 && options.joint_evals >= 0,
                 "impossible schedule");
}

std::int64_t Schedule::steps_per_eval() const {
  return is_joint() ? options_.joint_steps_per_eval : options_.steps_per_eval;
}

std::int64_t Schedule::max_evals() const {
  return is_joint() ? options_.joint_evals : options_.evals_per_stage;
}

Action Schedule::next() const {
  Action action{state_.phase, state_.stage, 0, 0};
  if (state_.phase == ActionKind::train) {
    action.first_step = state_.step;
    action.last_step = state_.evals * steps_per_eval();
  }
  return action;
}

void Schedule::trained(std::int64_t step) {
  const Action action = next();
  INTANDEM_CHECK(
      action.kind == ActionKind::train && step > action.first_step && step <= action.last_step,
      "training reported out of turn");
  state_.step = step;
  if (step == action.last_step) state_.phase = ActionKind::evaluate;
}

bool Schedule::evaluated(double metric) {
  INTANDEM_CHECK(state_.phase == ActionKind::evaluate, "evaluation reported out of turn");
  const bool improved = metric < state_.best;
  if (improved) {
    state_.best = metric;
    state_.waited = 0;
  } else {
    ++state_.waited;
  }
  const bool over = state_.evals >= max_evals() || state_.waited >= options_.patience;
  ++state_.evals;
  state_.phase = over ? ActionKind::freeze : ActionKind::train;
  return improved;
}

void Schedule::finished() {
  if (state_.phase == ActionKind::init) {
    state_.phase = ActionKind::evaluate;
    return;
  }
  INTANDEM_CHECK(state_.phase == ActionKind::freeze, "stage finished out of turn");
  const int next_stage = state_.stage + 1;
  const int stages = options_.stages + (options_.joint_evals > 0 ? 1 : 0);
  state_ = ScheduleState{};
  state_.stage = next_stage;
  if (next_stage >= stages) state_.phase = ActionKind::done;
}

}  // namespace intandem
