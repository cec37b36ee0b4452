#include "distill/hybrid.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"
#include "data/dataset.hpp"
#include "nn/ops.hpp"
#include "quant/lower.hpp"

namespace intandem {
namespace {

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

void Hybrid::freeze(int first) {
  engine_.reset();
  prefix_ = lower(student_, first);
  if (first > 0) engine_ = std::make_unique<Engine>(prefix_, max_batch_);
}

TeacherPass Hybrid::teacher_pass(const TensorU8& images, int first, int k, bool with_logits) {
  const int L = teacher_.unit_count();
  const FloatNetwork::Mode mode;
  Tape tape;
  TeacherPass pass;
  pass.z.resize(static_cast<std::size_t>(L));
  std::vector<Var> values(static_cast<std::size_t>(L));
  Var x = tape.constant(normalize(images, student_.normalization()));
  if (first > 0) x = teacher_.forward(tape, 0, first, x, values, mode);
  for (int j = first; j <= k; ++j) {
    const auto at = static_cast<std::size_t>(j);
    const int from = teacher_.geometry()[at].from;
    if (from >= 0) x = values[static_cast<std::size_t>(from)];
    const Var z = teacher_.preactivation(tape, j, x, values, mode);
    pass.z[at] = z->value;
    x = values[at] = teacher_.finish(tape, j, z, mode);
  }
  if (!with_logits) return pass;
  if (k + 1 < L) x = teacher_.forward(tape, k + 1, L, x, values, mode);
  pass.logits = x->value;
  return pass;
}

bool Hybrid::is_read_from(int j, int first) const {
  for (int reader = first; reader < student_.unit_count(); ++reader) {
    const UnitGeometry& geometry = student_.geometry()[static_cast<std::size_t>(reader)];
    if (geometry.from == j || geometry.add == j) return true;
  }
  return false;
}

std::vector<TensorF> Hybrid::teacher_codes(const TensorU8& images, int first) {
  Tape tape;
  std::vector<Var> values(static_cast<std::size_t>(teacher_.unit_count()));
  teacher_.forward(tape, 0, first, tape.constant(normalize(images, student_.normalization())),
                   values, FloatNetwork::Mode{});
  std::vector<TensorF> codes(values.size());
  for (int j = 0; j < first; ++j) {
    if (!is_read_from(j, first)) continue;
    const auto at = static_cast<std::size_t>(j);
    const float inverse = 1.0f / student_.unit(j).out_step.value[0];
    const auto low = static_cast<float>(-student_.zero_point(j));
    const auto high = low + static_cast<float>(student_.max_code(j));
    codes[at] = TensorF(values[at]->value.shape());
    const float* y = values[at]->value.data();
    float* code = codes[at].data();
    parallel_for(codes[at].size(), 1 << 14, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        code[i] = std::clamp(std::floor(y[i] * inverse + 0.5f), low, high);
      }
    });
  }
  return codes;
}

std::vector<TensorF> Hybrid::prefix_codes(const TensorU8& images, int first, StageInput input) {
  if (first == 0) return std::vector<TensorF>(static_cast<std::size_t>(student_.unit_count()));
  if (input == StageInput::teacher) return teacher_codes(images, first);
  const std::int64_t N = images.dim(0);
  engine_->run_prefix(images.data(), N, first);
  std::vector<TensorF> codes(static_cast<std::size_t>(student_.unit_count()));
  for (int j = 0; j < first; ++j) {
    if (!is_read_from(j, first)) continue;
    const auto at = static_cast<std::size_t>(j);
    codes[at] = codes_to_float(engine_->codes(j), batched(student_.geometry()[at].output, N),
                               student_.zero_point(j));
  }
  return codes;
}

HybridPass Hybrid::run(Tape& tape, const TensorU8& images, int first, int k,
                       const SimulationMode& mode, StageInput input, bool with_logits) {
  const int L = student_.unit_count();
  std::vector<Var> codes(static_cast<std::size_t>(L));
  const std::vector<TensorF> prefix = prefix_codes(images, first, input);
  for (std::size_t j = 0; j < prefix.size(); ++j) {
    if (!prefix[j].empty()) codes[j] = tape.constant(prefix[j]);
  }
  const Var pixels =
      first == 0 ? tape.constant(centered_pixels(images, student_.normalization())) : nullptr;
  HybridPass pass;
  pass.z = simulate_units(tape, student_, first, k + 1, pixels, codes, mode).z;
  if (!with_logits) return pass;
  if (student_.is_last(k)) {
    pass.logits = pass.z[static_cast<std::size_t>(k)];
    return pass;
  }
  // The suffix reads real values: code · step.
  std::vector<Var> values(static_cast<std::size_t>(L));
  for (int j = 0; j <= k; ++j) {
    const auto at = static_cast<std::size_t>(j);
    if (!codes[at] || !is_read_from(j, k + 1)) continue;
    const Var step = out_step_on_tape(tape, student_.unit(j), mode.train && j >= first);
    values[at] = scale(tape, codes[at], step);
  }
  pass.logits = teacher_.forward(tape, k + 1, L, values[static_cast<std::size_t>(k)], values,
                                 FloatNetwork::Mode{});
  return pass;
}

}  // namespace intandem
