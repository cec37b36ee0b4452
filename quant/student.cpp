#include "quant/student.hpp"

#include <cmath>
#include <map>
#include <sstream>

#include "core/error.hpp"

namespace intandem {
namespace {

struct LayerBits {
  int weight_bits;
  int activation_bits;
};

std::map<std::string, LayerBits> parse_overrides(const std::string& text) {
  std::map<std::string, LayerBits> result;
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const auto equals = item.find('=');
    LayerBits bits{};
    char slash = 0;
    std::istringstream numbers(equals == std::string::npos ? "" : item.substr(equals + 1));
    if (!(numbers >> bits.weight_bits >> slash >> bits.activation_bits) || slash != '/' ||
        numbers.peek() != EOF || bits.weight_bits < 1 || bits.weight_bits > 8 ||
        bits.activation_bits < 1 || bits.activation_bits > 8) {
      throw Error("overrides", "cannot read '" + item + "'",
                  "write name=W/A with W and A from 1 to 8, comma separated, e.g. conv3=2/4",
                  ExitCode::usage);
    }
    result[item.substr(0, equals)] = bits;
  }
  return result;
}

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
    if (quantizer->learned() != nullptr) list.push_back(quantizer->learned());
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
  auto overrides = parse_overrides(options_.overrides);
  for (int k = 0; k < unit_count(); ++k) {
    const UnitSpec& unit_spec = spec_.units[static_cast<std::size_t>(k)];
    const ConvShape& shape = geometry_[static_cast<std::size_t>(k)].shape;
    StudentUnit& u = unit(k);
    const bool edge = k == 0 || is_last(k);
    u.weight_bits = edge ? options_.first_last_weight_bits : options_.weight_bits;
    u.activation_bits = options_.activation_bits;
    if (const auto found = overrides.find(unit_spec.name); found != overrides.end()) {
      u.weight_bits = found->second.weight_bits;
      u.activation_bits = found->second.activation_bits;
      overrides.erase(found);
    }
    u.alpha = one(unit_spec.name + "/alpha");
    u.out_step = one(unit_spec.name + "/out_step");
    if (unit_spec.kind == UnitKind::avg_pool) continue;
    const Shape weight_shape = unit_spec.kind == UnitKind::linear
                                   ? Shape{shape.K, shape.C}
                                   : Shape{shape.K, shape.R, shape.S, shape.C};
    u.weight = {unit_spec.name + "/weight",
                he_normal(weight_shape, rng.stream("student").stream(unit_spec.name)), true};
    u.bias = {unit_spec.name + "/bias", TensorF::zeros({shape.K}), false};
    u.quantizer = make_weight_quantizer(options_.quantizer, u.weight_bits, options_.full_range,
                                        unit_spec.name + "/weight_step");
    u.quantizer->fit(u.weight.value);
  }
  if (!overrides.empty()) {
    throw Error("overrides",
                "network " + spec_.name + " has no unit '" + overrides.begin()->first + "'",
                "name one of its units", ExitCode::usage);
  }
}

double Student::in_step(int k) const {
  return k == 0 ? 1.0 : static_cast<double>(unit(k - 1).out_step.value[0]);
}

std::int32_t Student::in_max(int k) const { return k == 0 ? 255 : max_code(k - 1); }

std::int32_t Student::max_code(int k) const {
  return is_last(k) ? 0 : max_activation_code(unit(k).activation_bits);
}

}  // namespace intandem
