// The hybrid network of stage k: frozen integer prefix, the student's layer k, teacher suffix.
#pragma once

#include <memory>
#include <vector>

#include "nn/network.hpp"
#include "quant/fake_quant.hpp"
#include "quant/integer/engine.hpp"
#include "quant/student.hpp"

namespace intandem {

/// What the teacher says about a batch, without gradients.
struct TeacherPass {
  TensorF z;       ///< post-BN activation of unit k, before ReLU and pooling
  TensorF logits;  ///< [N][classes]
};

/// What the hybrid gives for the same batch.
struct HybridPass {
  Var z;       ///< the student's preactivation of unit k (D2)
  Var logits;  ///< hybrid logits; null if they were not asked for
};

class Hybrid {
 public:
  /// Both must outlive the hybrid. max_batch: largest batch that will be passed.
  Hybrid(FloatNetwork& teacher, Student& student, std::int64_t max_batch);

  /// Lowers and packs units 0 … k−1 for the integer engine; call when they have changed.
  void freeze_prefix(int k);

  /// Teacher in evaluation mode on pixels [N][H][W][C].
  TeacherPass teacher_pass(const TensorU8& images, int k);
  /// D1: input codes of unit k from the integer engine, in floats.
  TensorF input_codes(const TensorU8& images, int k);
  /// Real values [N][P][Q][K] of the codes that unit k's shortcut adds; empty without one. After
  /// input_codes(images, k).
  TensorF shortcut_values(std::int64_t N, int k) const;
  /// Prefix on the integer engine, unit k on the tape, teacher suffix on the tape if with_logits.
  /// freeze_prefix(k) must have been called.
  HybridPass run(Tape& tape, const TensorU8& images, int k, const SimulationMode& mode,
                 bool with_logits);
  /// All units of the student on the tape (joint phase); steps are parameters, alpha is fixed.
  Var run_student(Tape& tape, const TensorU8& images, bool train);

  FloatNetwork& teacher() { return teacher_; }
  Student& student() { return student_; }

 private:
  FloatNetwork& teacher_;
  Student& student_;
  std::int64_t max_batch_;
  IntModel prefix_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace intandem
