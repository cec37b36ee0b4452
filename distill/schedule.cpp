#include "distill/schedule.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace intandem {

Budget make_budget(double epochs, std::int64_t evals, std::int64_t batches_per_epoch) {
  if (epochs <= 0.0) return {};
  const double steps = std::floor(epochs * static_cast<double>(batches_per_epoch) + 0.5);
  const std::int64_t whole = std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
  return {whole, std::min(evals, whole)};
}

Schedule::Schedule(const ScheduleOptions& options, const ScheduleState& state)
    : options_(options), state_(state) {
  const auto possible = [](std::int64_t steps, std::int64_t evals) {
    return steps >= 0 && evals <= steps && (steps == 0 ? evals == 0 : evals >= 1);
  };
  INTANDEM_CHECK(options.stages >= 1 && options.patience >= 1 &&
                     possible(options.stage_steps, options.stage_evals) &&
                     possible(options.joint_steps, options.joint_evals),
                 "impossible schedule");
}

Action Schedule::next() const {
  Action action{state_.phase, state_.stage, 0, 0};
  if (state_.phase == ActionKind::train) {
    action.first_step = state_.step;
    action.last_step = max_steps() * state_.evals / max_evals();
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
  const int stages = options_.stages + (options_.joint_steps > 0 ? 1 : 0);
  state_ = ScheduleState{};
  state_.stage = next_stage;
  if (next_stage >= stages) state_.phase = ActionKind::done;
}

}  // namespace intandem
