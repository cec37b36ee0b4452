// Progressive tandem learning: the algorithm, stage by stage.
#pragma once

#include <functional>
#include <string>

#include "core/container.hpp"
#include "data/dataset.hpp"
#include "distill/hybrid.hpp"
#include "distill/options.hpp"
#include "distill/schedule.hpp"
#include "distill/stage_trainer.hpp"

namespace intandem {

/// One held-out evaluation, for logs and reports.
struct TandemEvent {
  int stage = 0;
  bool joint = false;
  std::string unit;       ///< name of the unit; "joint" in the joint phase
  std::int64_t eval = 0;  ///< 0: before any training of this stage
  std::int64_t step = 0;
  double lr = 0;
  LossMeans training;  ///< since the evaluation before
  LossMeans held_out;
  bool new_best = false;
};

/// What surrounds the algorithm; every member may be empty.
struct TandemHooks {
  std::function<void(const TandemEvent&)> log;
  std::function<bool()> should_stop;  ///< polled after every step; true: checkpoint and return
  /// Written here, when not empty: after every evaluation and freeze, every checkpoint_seconds
  /// of training, and on should_stop.
  std::string checkpoint_path;
  double checkpoint_seconds = 60.0;
  std::function<void(Container&)> add_to_checkpoint;  ///< e.g. the log's length, seconds so far
};

class Tandem {
 public:
  /// All must outlive this. The student starts untrained. Of several shards each has a Tandem and a
  /// teacher of its own; all call the same functions, and all end with the same student. The first
  /// writes checkpoints; should_stop of any stops all.
  Tandem(FloatNetwork& teacher, const Normalization& normalization, const Dataset& train,
         const Dataset& held_out, const DistillOptions& options, TandemHooks hooks,
         Communicator& shards = Communicator::alone());

  /// Continues from a checkpoint written with the same options, data and teacher.
  void resume(const Container& checkpoint);
  /// Runs to the end (true) or until should_stop (false).
  bool run();

  /// After run(): every unit trained and frozen.
  Student& student() { return student_; }
  const Schedule& schedule() const { return schedule_; }

 private:
  /// Closed-form start of unit k (stage k), and a fresh optimizer.
  void init(int stage);
  void train(const Action& action);
  void evaluate(int stage);
  void keep_best(int stage);
  void restore_best(int stage);
  void save_checkpoint();

  const DistillOptions& options_;
  const Dataset& train_;
  TandemHooks hooks_;
  Communicator& shards_;
  Student student_;
  Hybrid hybrid_;
  StageTrainer trainer_;
  Schedule schedule_;
  Container best_;
  bool stopped_ = false;
};

}  // namespace intandem
