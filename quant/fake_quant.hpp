// The student on a tape: the forward pass is the integer arithmetic of the deployed model to the
// bit, the backward pass its straight-through estimate.
#pragma once

#include <vector>

#include "nn/tape.hpp"
#include "quant/lower.hpp"
#include "quant/student.hpp"

namespace intandem {

// On the tape an activation is its *code* less the zero point, an integer held in a float; its real
// value is that times the step. Products are those of the engine's kernels on the codes as bytes
// (Q11); floats carry what gradients need.

/// Codes less their zero point in floats as bytes, same shape.
TensorU8 code_bytes_of(const TensorF& codes, std::int32_t zero_point);
/// x of a unit, codes less zero points in floats, as the bytes its integer layer reads.
TensorU8 input_bytes(const IntLayer& layer, const TensorF& x);

/// Σ q_w·q_x of unit k without bias, int32 [N][P][Q][K] ([N][1][1][K] of a linear unit). x: the
/// unit's input as on the tape.
TensorS32 unit_product(const Student& student, int k, const TensorF& x, const TensorS8& weights);

/// What a unit of the student gives.
struct SimulatedUnit {
  Var z;      ///< real preactivation [N][P][Q][K] (or [N][K]); null before mode.first_z
  Var codes;  ///< output codes in floats after max-pool; null for the last unit
  TensorS32 accumulators;  ///< product + bias, [N][P][Q][K] (or [N][K])
};

/// Which parameters of the unit receive gradients.
struct SimulationMode {
  bool train = false;        ///< weights, bias, steps
  bool train_alpha = false;  ///< and the per-layer scale
  /// z is on the tape for units from this one on, and for the last of all; it costs passes over
  /// memory.
  int first_z = 0;
};

/// The unit's output step: a parameter where training moves it, else a constant.
Var out_step_on_tape(Tape& tape, StudentUnit& unit, bool train);

/// Unit k on input codes x (for unit 0: pixel − zero point). in_step: the one-element step of x, a
/// constant or a parameter's Var. shortcut, shortcut_step: codes and step of the `add` unit, or
/// null.
SimulatedUnit simulate_unit(Tape& tape, Student& student, int k, const Var& x, const Var& in_step,
                            const Var& shortcut, const Var& shortcut_step,
                            const SimulationMode& mode);

/// What a range of units gives.
struct SimulatedUnits {
  std::vector<Var> z;      ///< by unit; null outside the range
  TensorS32 accumulators;  ///< of the network's last unit, if it is in the range
};

/// Units first … last−1. pixels: centered_pixels of the batch; null if first > 0. codes, by unit:
/// on entry the codes of the units before `first` that these units read, on return those of units
/// first … last−1 as well. Output steps of the units before `first` are constants.
SimulatedUnits simulate_units(Tape& tape, Student& student, int first, int last, const Var& pixels,
                              std::vector<Var>& codes, const SimulationMode& mode);

/// Pixels [N][H][W][C] → pixel − zero point in floats: the input codes of unit 0.
TensorF centered_pixels(const TensorU8& images, const Normalization& normalization);
/// u8 codes → codes less the zero point in floats, reshaped.
TensorF codes_to_float(const std::uint8_t* codes, const Shape& shape, std::int32_t zero_point = 0);

/// The whole simulated student without gradients, every unit's output codes (u8) in order and the
/// accumulators of the last unit: what verify compares with the integer engine.
struct SimulatedOutputs {
  std::vector<TensorU8> codes;
  TensorS32 accumulators;
};
SimulatedOutputs simulate_student(Student& student, const TensorU8& images);

}  // namespace intandem
