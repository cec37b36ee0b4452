// A range of the student's units on the tape, and the whole student without one.
#include <algorithm>

#include "quant/fake_quant.hpp"

namespace intandem {

SimulatedUnits simulate_units(Tape& tape, Student& student, int first, int last, const Var& pixels,
                              std::vector<Var>& codes, const SimulationMode& mode) {
  codes.resize(static_cast<std::size_t>(student.unit_count()));
  // Steps of units that are trained here take part in it; those before are given.
  const auto step_of = [&](int k) {
    return out_step_on_tape(tape, student.unit(k), mode.train && k >= first);
  };
  SimulatedUnits result;
  result.z.resize(codes.size());
  for (int k = first; k < last; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const int from = student.geometry()[at].from;
    const Var x = from < 0 ? pixels : codes[static_cast<std::size_t>(from)];
    const Var in_step = from < 0 ? tape.constant(TensorF::full({1}, 1.0f)) : step_of(from);
    const int add = student.geometry()[at].add;
    const Var shortcut = add >= 0 ? codes[static_cast<std::size_t>(add)] : nullptr;
    const Var shortcut_step = add >= 0 ? step_of(add) : nullptr;
    const SimulatedUnit unit =
        simulate_unit(tape, student, k, x, in_step, shortcut, shortcut_step, mode);
    result.z[at] = unit.z;
    codes[at] = unit.codes;
    if (student.is_last(k)) result.accumulators = unit.accumulators;
  }
  return result;
}

SimulatedOutputs simulate_student(Student& student, const TensorU8& images) {
  Tape tape;
  std::vector<Var> codes;
  const Var pixels = tape.constant(centered_pixels(images, student.normalization()));
  SimulationMode mode;
  mode.first_z = student.unit_count();
  SimulatedOutputs outputs;
  outputs.accumulators =
      simulate_units(tape, student, 0, student.unit_count(), pixels, codes, mode).accumulators;
  for (int k = 0; !student.is_last(k); ++k) {
    const TensorF& values = codes[static_cast<std::size_t>(k)]->value;
    TensorU8 bytes(values.shape());
    const std::int32_t zero_point = student.zero_point(k);
    std::transform(values.begin(), values.end(), bytes.begin(), [zero_point](float code) {
      return static_cast<std::uint8_t>(static_cast<std::int32_t>(code) + zero_point);
    });
    outputs.codes.push_back(std::move(bytes));
  }
  return outputs;
}

}  // namespace intandem
