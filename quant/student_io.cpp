// The student in a container: "<prefix>/<unit>/weight" and so on, options as metadata.
#include <algorithm>
#include <cmath>

#include "core/container.hpp"
#include "core/error.hpp"
#include "quant/student.hpp"

namespace intandem {
namespace {

std::string key(const std::string& prefix, const Parameter& parameter) {
  return prefix + "/" + parameter.name;
}

void load_parameter(Parameter& parameter, const Container& file, const std::string& prefix) {
  const std::string name = key(prefix, parameter);
  parameter.value = file.tensor<float>(name, parameter.value.shape()).clone();
  check_magnitudes(file, name, parameter.value);
}

/// A scale that must be positive.
void check_scale(const Container& file, const std::string& name, float scale) {
  if (scale > 0.0f) return;
  throw Error(file.path(), "tensor '" + name + "' holds " + std::to_string(scale) + ", not a scale",
              "training diverged or the file is damaged; distil the student again");
}

}  // namespace

void store_unit(const Student& student, int k, Container& file, const std::string& prefix) {
  // state() is non-const because loading writes through it; here it is only read.
  auto& unit = const_cast<StudentUnit&>(student.unit(k));
  for (const Parameter* parameter : unit.state()) {
    file.put(key(prefix, *parameter), parameter->value.clone());
  }
  const std::string& name = student.spec().units[static_cast<std::size_t>(k)].name;
  file.put(prefix + "/" + name + "/z_scale", TensorF::full({1}, unit.z_scale));
}

void load_unit(Student& student, int k, const Container& file, const std::string& prefix) {
  StudentUnit& unit = student.unit(k);
  for (Parameter* parameter : unit.state()) load_parameter(*parameter, file, prefix);
  const std::string& name = student.spec().units[static_cast<std::size_t>(k)].name;
  const std::string z_scale = prefix + "/" + name + "/z_scale";
  unit.z_scale = file.tensor<float>(z_scale, {1})[0];
  check_scale(file, z_scale, unit.z_scale);
  check_scale(file, key(prefix, unit.out_step), unit.out_step.value[0]);
  if (!unit.quantizer) return;
  check_scale(file, key(prefix, unit.alpha), unit.alpha.value[0]);
  // A learned step has a floor of its own (LsqQuantizer::step).
  const Parameter* state = unit.quantizer->state();
  if (state != nullptr && !unit.quantizer->learns_state()) {
    check_scale(file, key(prefix, *state), state->value[0]);
  }
}

void store_normalization(const Normalization& normalization, Container& file) {
  const auto C = static_cast<std::int64_t>(normalization.zero_point.size());
  TensorS32 zero_point({C});
  TensorF std_dev({C});
  for (std::int64_t c = 0; c < C; ++c) {
    zero_point[c] = normalization.zero_point[static_cast<std::size_t>(c)];
    std_dev[c] = normalization.std_dev[static_cast<std::size_t>(c)];
  }
  file.put("normalization/zero_point", zero_point);
  file.put("normalization/std_dev", std_dev);
  if (normalization.offset.empty()) return;
  TensorF offset({C});
  std::copy(normalization.offset.begin(), normalization.offset.end(), offset.begin());
  file.put("normalization/offset", offset);
}

Normalization load_normalization(const Container& file, std::int64_t channels) {
  const auto zero_point = file.tensor<std::int32_t>("normalization/zero_point", {channels});
  const auto std_dev = file.tensor<float>("normalization/std_dev", {channels});
  Normalization normalization;
  normalization.zero_point.assign(zero_point.begin(), zero_point.end());
  normalization.std_dev.assign(std_dev.begin(), std_dev.end());
  if (file.has_tensor("normalization/offset")) {
    const auto offset = file.tensor<float>("normalization/offset", {channels});
    normalization.offset.assign(offset.begin(), offset.end());
  }
  const auto refuse = [&](const char* tensor, const std::string& value, const char* range) {
    throw Error(file.path(),
                "tensor 'normalization/" + std::string(tensor) + "' holds " + value +
                    ", outside of " + range,
                "the file is damaged; train the teacher again");
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    if (zero_point[c] < 0 || zero_point[c] > 255) {
      refuse("zero_point", std::to_string(zero_point[c]), "0 ... 255");
    }
    // Steps of a pixel that float32 can square and invert.
    if (!(std_dev[c] > 1e-9f && std_dev[c] < 1e9f)) {
      refuse("std_dev", std::to_string(std_dev[c]), "1e-9 ... 1e9");
    }
    const float offset = normalization.offset_of(static_cast<std::size_t>(c));
    if (!(std::abs(offset) < 1e9f)) refuse("offset", std::to_string(offset), "-1e9 ... 1e9");
  }
  return normalization;
}

void store_student_options(const StudentOptions& options, Container& file) {
  store_quantizer_options(options, file);
  file.set("multiplier_bits", std::to_string(options.multiplier_bits));
}

void store_student(const Student& student, Container& file) {
  file.set("architecture", to_json(student.spec()));
  store_student_options(student.options(), file);
  store_normalization(student.normalization(), file);
  for (int k = 0; k < student.unit_count(); ++k) store_unit(student, k, file, "student");
}

Student load_student(const Container& file) {
  const StudentOptions options{load_quantizer_options(file),
                               static_cast<int>(file.get_int("multiplier_bits"))};
  NetworkSpec spec = load_architecture(file);
  const Normalization normalization = load_normalization(file, spec.channels);
  Student student(std::move(spec), normalization, options, Rng(0));
  for (int k = 0; k < student.unit_count(); ++k) load_unit(student, k, file, "student");
  return student;
}

}  // namespace intandem
