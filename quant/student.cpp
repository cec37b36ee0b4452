#include "quant/student.hpp"

#include <algorithm>
#include <cmath>

namespace intandem {
namespace {

Parameter one(const std::string& name) { return {name, TensorF::full({1}, 1.0f), false}; }

TensorF he_normal(const Shape& shape, const Rng& rng) {
  TensorF w(shape);
  const double fan_in = static_cast<double>(shape.size() / shape[0]);
  const auto sigma = static_cast<float>(std::sqrt(2.0 / fan_in));
  for (std::int64_t i = 0; i < w.size(); ++i) {
    w[i] = sigma * rng.normal(static_cast<std::uint64_t>(i));
  }
  return w;
}

}  // namespace

std::vector<Parameter*> StudentUnit::parameters(bool with_alpha) {
  std::vector<Parameter*> list;
  if (quantizer) {
    list = {&weight, &bias};
    if (with_alpha) list.push_back(&alpha);
    if (quantizer->learns_state()) list.push_back(quantizer->state());
  }
  if (learns_out_step()) list.push_back(&out_step);
  return list;
}

std::vector<Parameter*> StudentUnit::state() {
  std::vector<Parameter*> list;
  if (quantizer) {
    list = {&weight, &bias, &alpha};
    if (quantizer->state() != nullptr) list.push_back(quantizer->state());
  }
  list.push_back(&out_step);
  return list;
}

Student::Student(NetworkSpec spec, Normalization normalization, StudentOptions options,
                 const Rng& rng)
    : spec_(std::move(spec)),
      normalization_(std::move(normalization)),
      options_(std::move(options)),
      geometry_(infer_geometry(spec_)),
      units_(spec_.units.size()) {
  const std::vector<UnitQuantizers> quantizers = resolve_quantizers(spec_, options_);
  for (int k = 0; k < unit_count(); ++k) {
    const UnitSpec& unit_spec = spec_.units[static_cast<std::size_t>(k)];
    const UnitQuantizers& chosen = quantizers[static_cast<std::size_t>(k)];
    const ConvShape& shape = geometry_[static_cast<std::size_t>(k)].shape;
    StudentUnit& u = unit(k);
    u.weight_bits = chosen.weight_bits;
    u.activation_bits = chosen.activation_bits;
    if (!is_last(k)) u.activation = make_activation_quantizer(chosen, options_);
    u.alpha = one(unit_spec.name + "/alpha");
    u.out_step = one(unit_spec.name + "/out_step");
    if (unit_spec.kind == UnitKind::avg_pool) continue;
    const Shape weight_shape = unit_spec.kind == UnitKind::linear
                                   ? Shape{shape.K, shape.C}
                                   : Shape{shape.K, shape.R, shape.S, shape.group_C()};
    u.weight = {unit_spec.name + "/weight",
                he_normal(weight_shape, rng.stream("student").stream(unit_spec.name)), true};
    u.bias = {unit_spec.name + "/bias", TensorF::zeros({shape.K}), false};
    u.quantizer = make_weight_quantizer(chosen, options_, unit_spec.name + "/weight_step");
    u.quantizer->fit(u.weight.value);
  }
}

double Student::in_step(int k) const {
  const int from = geometry_[static_cast<std::size_t>(k)].from;
  return from < 0 ? 1.0 : static_cast<double>(unit(from).out_step.value[0]);
}

std::int32_t Student::in_max(int k) const {
  const int from = geometry_[static_cast<std::size_t>(k)].from;
  return from < 0 ? 255 : max_code(from);
}

std::int32_t Student::max_code(int k) const {
  return is_last(k) ? 0 : max_activation_code(unit(k).activation_bits);
}

std::int32_t Student::zero_point(int k) const {
  const bool has_sign = geometry_[static_cast<std::size_t>(k)].has_sign && !is_last(k);
  return has_sign ? 1 << (unit(k).activation_bits - 1) : 0;
}

std::int32_t Student::largest_positive(int k) const {
  return std::max(1, max_code(k) - zero_point(k));
}

}  // namespace intandem
