// The hybrid network of stage k: frozen integer prefix, the student's units that are being trained,
// teacher suffix. With all units trained it is the whole student.
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
  std::vector<TensorF> z;  ///< by unit: post-BN activation before ReLU and pooling, where asked for
  TensorF logits;          ///< [N][classes]; empty if they were not asked for
};

/// What the hybrid gives for the same batch.
struct HybridPass {
  std::vector<Var> z;  ///< by unit: the student's preactivations (D2); null outside first … k,
                       ///< before mode.first_z
  Var logits;          ///< hybrid logits; null if they were not asked for
};

/// Whose activations the trained units are fed with.
enum class StageInput {
  student,  ///< the frozen prefix's codes: what a layer learns from is what it will get
  teacher,  ///< the teacher's activations in the student's codes: no compensation (an ablation)
};

class Hybrid {
 public:
  /// Both must outlive the hybrid. max_batch: largest batch that will be passed.
  Hybrid(FloatNetwork& teacher, Student& student, std::int64_t max_batch);

  /// Lowers and packs units 0 … first−1 for the integer engine; call when they have changed.
  void freeze(int first);

  /// Teacher in evaluation mode on pixels [N][H][W][C]: z of units first … k, and the logits.
  TeacherPass teacher_pass(const TensorU8& images, int first, int k, bool with_logits);
  /// D1: the output codes less zero points, in floats, of every frozen unit that a later one reads;
  /// by unit, the others empty. freeze(first) must have been called.
  std::vector<TensorF> prefix_codes(const TensorU8& images, int first, StageInput input);
  /// Units 0 … first−1 on the integer engine, units first … k on the tape, the teacher's suffix on
  /// the tape if with_logits. freeze(first) must have been called.
  HybridPass run(Tape& tape, const TensorU8& images, int first, int k, const SimulationMode& mode,
                 StageInput input, bool with_logits);

  FloatNetwork& teacher() { return teacher_; }
  Student& student() { return student_; }

 private:
  /// Whether a unit from `first` on reads the output of unit j.
  bool is_read_from(int j, int first) const;
  std::vector<TensorF> teacher_codes(const TensorU8& images, int first);

  FloatNetwork& teacher_;
  Student& student_;
  std::int64_t max_batch_;
  IntModel prefix_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace intandem
