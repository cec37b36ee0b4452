// What surrounds the algorithm in tandem.cpp: evaluation, the best parameters, checkpoints.
#include "core/container.hpp"
#include "core/progress.hpp"
#include "distill/local_init.hpp"
#include "distill/tandem.hpp"

namespace intandem {
namespace {

ScheduleOptions schedule_options(const DistillOptions& options, int stages,
                                 std::int64_t batches_per_epoch) {
  const Budget stage =
      make_budget(options.epochs_per_stage, options.evals_per_stage, batches_per_epoch);
  const Budget joint = make_budget(options.joint_epochs, options.joint_evals, batches_per_epoch);
  return {stages, stage.steps, stage.evals, joint.steps, joint.evals, options.patience};
}

}  // namespace

Tandem::Tandem(FloatNetwork& teacher, const Normalization& normalization, const Dataset& train,
               const Dataset& held_out, const DistillOptions& options, TandemHooks hooks,
               Communicator& shards)
    : options_(options),
      train_(train),
      hooks_(std::move(hooks)),
      shards_(shards),
      student_(teacher.spec(), normalization, options.student, Rng(options.seed)),
      hybrid_(teacher, student_, options.batch),
      trainer_(hybrid_, options, train, held_out, shards),
      schedule_(schedule_options(options, teacher.unit_count(), trainer_.batches_per_epoch())),
      best_("checkpoint") {}

void Tandem::init(int stage) {
  if (!schedule_.is_joint()) {
    hybrid_.freeze(stage);
    local_init(hybrid_, stage, train_, options_);
  }
  trainer_.begin(stage);
}

void Tandem::train(const Action& action) {
  const Stopwatch watch;
  const bool timed = !hooks_.checkpoint_path.empty() && shards_.is_first();
  const std::int64_t step = trainer_.train(action, schedule_.max_steps(), [&] {
    const bool stop = hooks_.should_stop && hooks_.should_stop();
    const bool is_time = timed && watch.seconds() > hooks_.checkpoint_seconds;
    double votes[] = {stop ? 1.0 : 0.0, is_time ? 1.0 : 0.0};
    shards_.all_reduce_sum(votes);
    stopped_ = votes[0] > 0.0;
    return stopped_ || votes[1] > 0.0;
  });
  schedule_.trained(step);
}

void Tandem::evaluate(int stage) {
  TandemEvent event;
  event.stage = stage;
  event.joint = schedule_.is_joint();
  event.unit = event.joint ? "joint" : student_.spec().units[static_cast<std::size_t>(stage)].name;
  event.eval = schedule_.state().evals;
  event.step = schedule_.state().step;
  event.lr = trainer_.last_lr();
  event.training = trainer_.take_training_losses();
  event.held_out = trainer_.evaluate(stage);
  event.new_best = schedule_.evaluated(event.held_out.total);
  if (event.new_best) keep_best(stage);
  if (hooks_.log) hooks_.log(event);
}

void Tandem::keep_best(int stage) {
  best_ = Container("checkpoint");
  for (int k = trainer_.first_unit(stage); k <= trainer_.last_unit(stage); ++k) {
    store_unit(student_, k, best_, "best");
  }
}

void Tandem::restore_best(int stage) {
  if (best_.tensor_names().empty()) {
    throw Error("stage " + std::to_string(stage + 1), "the held-out loss was never a number",
                "training diverged from the start; lower the learning rate");
  }
  for (int k = trainer_.first_unit(stage); k <= trainer_.last_unit(stage); ++k) {
    load_unit(student_, k, best_, "best");
  }
  best_ = Container("checkpoint");
}

void Tandem::save_checkpoint() {
  if (hooks_.checkpoint_path.empty() || !shards_.is_first()) return;
  Container file("checkpoint");
  store_student(student_, file);
  trainer_.store(file);
  for (const std::string& name : best_.tensor_names()) {
    file.put(name, best_.tensor<float>(name));
  }
  const ScheduleState& s = schedule_.state();
  file.set("schedule/phase", std::to_string(static_cast<int>(s.phase)));
  file.set("schedule/stage", std::to_string(s.stage));
  file.set("schedule/step", std::to_string(s.step));
  file.set("schedule/evals", std::to_string(s.evals));
  file.set("schedule/waited", std::to_string(s.waited));
  file.put("schedule/best", Tensor<double>::full({1}, s.best));
  if (hooks_.add_to_checkpoint) hooks_.add_to_checkpoint(file);
  file.save(hooks_.checkpoint_path);
}

void Tandem::resume(const Container& file) {
  if (network_from_json(file.get("architecture"), file.path()) != student_.spec()) {
    throw Error(file.path(), "it is a checkpoint of another network",
                "resume with the configuration the run was started with");
  }
  for (int k = 0; k < student_.unit_count(); ++k) load_unit(student_, k, file, "student");
  ScheduleState state;
  state.phase = static_cast<ActionKind>(file.get_int("schedule/phase"));
  state.stage = static_cast<int>(file.get_int("schedule/stage"));
  state.step = file.get_int("schedule/step");
  state.evals = file.get_int("schedule/evals");
  state.waited = file.get_int("schedule/waited");
  state.best = file.tensor<double>("schedule/best", {1})[0];
  schedule_ = Schedule(schedule_.options(), state);
  for (const std::string& name : file.tensor_names()) {
    if (name.rfind("best/", 0) == 0) best_.put(name, file.tensor<float>(name));
  }
  const bool inside_stage = state.phase != ActionKind::init && state.phase != ActionKind::done;
  if (!inside_stage) return;
  trainer_.begin(state.stage);
  trainer_.load(file);
}

}  // namespace intandem
