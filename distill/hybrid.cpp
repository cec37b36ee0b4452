#include "distill/hybrid.hpp"

#include "data/dataset.hpp"
#include "nn/ops.hpp"
#include "quant/lower.hpp"

namespace intandem {
namespace {

TensorF one(double value) { return TensorF::full({1}, static_cast<float>(value)); }

Shape batched(const Shape& per_image, std::int64_t N) {
  Shape shape{N};
  for (int axis = 0; axis < per_image.rank(); ++axis) shape.push_back(per_image[axis]);
  return shape;
}

}  // namespace

Hybrid::Hybrid(FloatNetwork& teacher, Student& student, std::int64_t max_batch)
    : teacher_(teacher), student_(student), max_batch_(max_batch) {
  INTANDEM_CHECK(teacher.spec() == student.spec(), "teacher and student differ in topology");
}

void Hybrid::freeze_prefix(int k) {
  engine_.reset();
  prefix_ = lower(student_, k);
  if (k > 0) engine_ = std::make_unique<Engine>(prefix_, max_batch_);
}

TeacherPass Hybrid::teacher_pass(const TensorU8& images, int k) {
  Tape tape;
  const FloatNetwork::Mode mode;
  std::vector<Var> values(static_cast<std::size_t>(teacher_.unit_count()));
  Var x = tape.constant(normalize(images, student_.normalization()));
  if (k > 0) x = teacher_.forward(tape, 0, k, x, values, mode);
  const Var z = teacher_.preactivation(tape, k, x, values, mode);
  const Var y = teacher_.finish(tape, k, z, mode);
  values[static_cast<std::size_t>(k)] = y;
  const int L = teacher_.unit_count();
  const Var logits = k + 1 < L ? teacher_.forward(tape, k + 1, L, y, values, mode) : y;
  return {z->value, logits->value};
}

TensorF Hybrid::input_codes(const TensorU8& images, int k) {
  if (k == 0) return centered_pixels(images, student_.normalization());
  const std::int64_t N = images.dim(0);
  engine_->run_prefix(images.data(), N, k);
  const auto& geometry = student_.geometry()[static_cast<std::size_t>(k - 1)];
  return codes_to_float(engine_->codes(k - 1), batched(geometry.output, N));
}

TensorF Hybrid::shortcut_values(std::int64_t N, int k) const {
  const int add = student_.geometry()[static_cast<std::size_t>(k)].add;
  if (add < 0) return {};
  TensorF values = codes_to_float(
      engine_->codes(add), batched(student_.geometry()[static_cast<std::size_t>(add)].output, N));
  const float step = student_.unit(add).out_step.value[0];
  for (float& v : values) v *= step;
  return values;
}

HybridPass Hybrid::run(Tape& tape, const TensorU8& images, int k, const SimulationMode& mode,
                       bool with_logits) {
  const std::int64_t N = images.dim(0);
  const Var x = tape.constant(input_codes(images, k));
  const Var in_step = tape.constant(one(student_.in_step(k)));

  // Shortcuts that leave the frozen prefix, as codes; the suffix takes them as real values.
  const int L = student_.unit_count();
  std::vector<Var> values(static_cast<std::size_t>(L));
  Var shortcut, shortcut_step;
  for (int j = k; j < L; ++j) {
    const int add = student_.geometry()[static_cast<std::size_t>(j)].add;
    if (add < 0 || add >= k) continue;
    const double step = static_cast<double>(student_.unit(add).out_step.value[0]);
    TensorF codes = codes_to_float(
        engine_->codes(add), batched(student_.geometry()[static_cast<std::size_t>(add)].output, N));
    if (j == k) {
      shortcut = tape.constant(codes.clone());
      shortcut_step = tape.constant(one(step));
    }
    for (float& v : codes) v *= static_cast<float>(step);
    values[static_cast<std::size_t>(add)] = tape.constant(codes);
  }

  const SimulatedUnit unit =
      simulate_unit(tape, student_, k, x, in_step, shortcut, shortcut_step, mode);
  if (!with_logits) return {unit.z, nullptr};
  if (student_.is_last(k)) return {unit.z, unit.z};
  const Var step = mode.train ? tape.parameter(student_.unit(k).out_step)
                              : tape.constant(student_.unit(k).out_step.value);
  const Var y = scale(tape, unit.codes, step);
  values[static_cast<std::size_t>(k)] = y;
  return {unit.z, teacher_.forward(tape, k + 1, L, y, values, FloatNetwork::Mode{})};
}

Var Hybrid::run_student(Tape& tape, const TensorU8& images, bool train) {
  const int L = student_.unit_count();
  std::vector<Var> codes(static_cast<std::size_t>(L));
  const auto step_of = [&](int k) {
    Parameter& step = student_.unit(k).out_step;
    return train ? tape.parameter(step) : tape.constant(step.value);
  };
  Var x = tape.constant(centered_pixels(images, student_.normalization()));
  for (int k = 0; k < L; ++k) {
    const Var in_step = k == 0 ? tape.constant(one(1.0)) : step_of(k - 1);
    const int add = student_.geometry()[static_cast<std::size_t>(k)].add;
    const Var shortcut = add >= 0 ? codes[static_cast<std::size_t>(add)] : nullptr;
    const Var shortcut_step = add >= 0 ? step_of(add) : nullptr;
    SimulationMode mode;
    mode.train = train;
    const SimulatedUnit unit =
        simulate_unit(tape, student_, k, x, in_step, shortcut, shortcut_step, mode);
    if (student_.is_last(k)) return unit.z;
    x = unit.codes;
    codes[static_cast<std::size_t>(k)] = x;
  }
  return x;
}

}  // namespace intandem
