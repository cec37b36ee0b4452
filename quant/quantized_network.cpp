#include "quant/quantized_network.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/container.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "quant/uniform.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

TensorF real_weights(const TensorS8& codes, double step) {
  TensorF values(codes.shape());
  const auto s = static_cast<float>(step);
  parallel_for(codes.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) values[i] = s * static_cast<float>(codes[i]);
  });
  return values;
}

/// A step that training drove to 0 or below would flip every code; the floor keeps the sign.
float positive(float step) { return std::max(step, 1e-12f); }

std::string key(const Parameter& parameter) { return "quantizer/" + parameter.name; }

}  // namespace

QuantizedNetwork::QuantizedNetwork(const NetworkSpec& spec, const QuantizerOptions& options)
    : options_(options), units_(spec.units.size()) {
  const std::vector<UnitQuantizers> chosen = resolve_quantizers(spec, options);
  const std::vector<UnitGeometry> geometry = infer_geometry(spec);
  for (std::size_t k = 0; k < units_.size(); ++k) {
    const UnitSpec& unit_spec = spec.units[k];
    Unit& u = units_[k];
    if (unit_spec.kind != UnitKind::avg_pool) {
      u.weights = make_weight_quantizer(chosen[k], options, unit_spec.name + "/weight_step");
    }
    if (k + 1 == units_.size()) continue;
    u.activation = make_activation_quantizer(chosen[k], options);
    u.only_positive = !geometry[k].has_sign;
    const std::int32_t codes = max_activation_code(chosen[k].activation_bits) + 1;
    u.range = u.only_positive ? CodeRange{0, codes - 1} : CodeRange{-codes / 2, codes / 2 - 1};
    u.out_step =
        Parameter(unit_spec.name + "/out_step", TensorF::zeros({1}), u.activation->decays_step());
  }
}

void QuantizedNetwork::fit_weights(FloatNetwork& net) {
  for (int k = 0; k < net.unit_count(); ++k) {
    if (unit(k).weights) unit(k).weights->fit(net.unit(k).weight.value);
    unit(k).frozen = {};
  }
}

TensorF QuantizedNetwork::weight_values(int k, const TensorF& weight) const {
  const WeightQuantizer& quantizer = *unit(k).weights;
  return real_weights(quantizer.encode(weight), quantizer.step(weight));
}

Var QuantizedNetwork::weight(Tape& tape, int k, Parameter& weight, bool train) {
  WeightQuantizer& quantizer = *unit(k).weights;
  TensorF& frozen = unit(k).frozen;
  if (!train) {
    if (frozen.empty()) frozen = weight_values(k, weight.value);
    return tape.constant(frozen);
  }
  frozen = {};
  const TensorS8 codes = quantizer.encode(weight.value);
  TensorF values = real_weights(codes, quantizer.step(weight.value));
  // The quantizer writes the gradients itself; the parameter's Var makes the tape keep the closure.
  return tape.record(
      std::move(values), {tape.parameter(weight)}, [&quantizer, &weight, codes](const Node& self) {
        Parameter* const state = quantizer.learns_state() ? quantizer.state() : nullptr;
        const float before = state != nullptr ? state->grad[0] : 0.0f;
        quantizer.backward(weight.value, codes, self.grad, weight.grad);
        if (state == nullptr) return;
        const auto scale = static_cast<float>(quantizer.state_gradient_scale(codes.size()));
        state->grad[0] = before + scale * (state->grad[0] - before);
      });
}

Var QuantizedNetwork::output(Tape& tape, int k, const Var& y, bool training, bool train) {
  Unit& u = unit(k);
  if (!u.activation) return y;
  if (u.out_step.value[0] == 0.0f) {
    INTANDEM_CHECK(training, "activations of a quantized network were never fitted");
    MagnitudeHistogram values(1e-3);
    values.add(y->value.data(), y->value.size(), u.only_positive);
    u.out_step.value[0] = static_cast<float>(u.activation->fit(values, std::max(1, u.range.high)));
    if (shards_ != nullptr) shards_->broadcast(std::span<float>(u.out_step.value.data(), 1));
  }
  const float s = positive(u.out_step.value[0]);
  TensorF codes(y->value.shape()), real(y->value.shape());
  const auto low = static_cast<float>(u.range.low), high = static_cast<float>(u.range.high);
  const float inverse = 1.0f / s;
  const float* in = y->value.data();
  parallel_for(codes.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      codes[i] = std::clamp(std::floor(in[i] * inverse + 0.5f), low, high);
      real[i] = s * codes[i];
    }
  });
  const Var step = train && u.activation->learns_step() ? tape.parameter(u.out_step)
                                                        : tape.constant(u.out_step.value);
  return tape.record(std::move(real), {y, step}, [&u, y, step, codes, s](const Node& self) {
    TensorF dy(codes.shape());
    const float* g = self.grad.data();
    const double d_step =
        parallel_sum<double>(dy.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          std::vector<float> g_code(static_cast<std::size_t>(end - begin));
          double direct = 0.0;  // value s·q by s, the code held
          for (std::int64_t i = begin; i < end; ++i) {
            g_code[static_cast<std::size_t>(i - begin)] = s * g[i];
            direct += static_cast<double>(g[i] * codes[i]);
          }
          return direct + u.activation->backward(y->value.data() + begin, codes.data() + begin,
                                                 g_code.data(), end - begin, s, u.range,
                                                 dy.data() + begin);
        });
    const std::int64_t per_image = codes.size() / codes.dim(0);
    accumulate(y, std::move(dy));
    const double scale = u.activation->step_gradient_scale(per_image, u.range.high);
    accumulate(step, TensorF::full({1}, static_cast<float>(scale * d_step)));
  });
}

std::vector<Parameter*> QuantizedNetwork::parameters() {
  std::vector<Parameter*> all;
  for (Unit& u : units_) {
    if (u.weights && u.weights->learns_state()) all.push_back(u.weights->state());
    if (u.activation && u.activation->learns_step()) all.push_back(&u.out_step);
  }
  return all;
}

std::optional<QuantizedNetwork::Output> QuantizedNetwork::output_of(int k) const {
  const Unit& u = unit(k);
  if (!u.activation) return std::nullopt;
  return Output{u.activation->name(), static_cast<double>(positive(u.out_step.value[0])),
                u.range.high};
}

void QuantizedNetwork::store(Container& file) const {
  store_quantizer_options(options_, file);
  for (const Unit& u : units_) {
    const Parameter* state = u.weights ? u.weights->state() : nullptr;
    if (state != nullptr) file.put(key(*state), state->value.clone());
    if (u.activation) file.put(key(u.out_step), u.out_step.value.clone());
  }
}

void QuantizedNetwork::load(const Container& file) {
  const auto read = [&](Parameter& parameter) {
    parameter.value = file.tensor<float>(key(parameter), {1}).clone();
    const float value = parameter.value[0];
    if (value != 0.0f && std::abs(value) <= kMaxParameter) return;
    throw Error(file.path(),
                "tensor '" + key(parameter) + "' holds " + std::to_string(value) + ", not a step",
                "training diverged or the file is damaged; train it again");
  };
  for (Unit& u : units_) {
    if (u.weights && u.weights->state() != nullptr) read(*u.weights->state());
    if (u.activation) read(u.out_step);
  }
}

const QuantizedNetwork* quantizers_of(const FloatNetwork& net) {
  return dynamic_cast<const QuantizedNetwork*>(net.hook());
}

std::optional<QuantizedNetwork::Output> teacher_output(const FloatNetwork& net, int k) {
  const QuantizedNetwork* quantized = quantizers_of(net);
  return quantized == nullptr ? std::nullopt : quantized->output_of(k);
}

std::string describe_quantizers(const FloatNetwork& net) {
  const QuantizedNetwork* quantized = quantizers_of(net);
  if (quantized == nullptr) {
    const std::vector<UnitSpec>& units = net.spec().units;
    const bool any = std::any_of(units.begin(), units.end(), [](auto& u) { return u.batch_norm; });
    return any ? "float, batch norm" : "float";
  }
  const QuantizerOptions& options = quantized->options();
  return "W" + std::to_string(options.weight_bits) + "A" + std::to_string(options.activation_bits) +
         " (" + options.weight_quantizer + " weights, " + options.activation_quantizer +
         " activations), batch norm";
}

void store_teacher_network(const FloatNetwork& net, Container& file) {
  store_network(net, file);
  if (const QuantizedNetwork* quantized = quantizers_of(net)) quantized->store(file);
}

FloatNetwork load_teacher_network(const Container& file) {
  FloatNetwork net = load_network(file);
  if (!file.has("weight_quantizer")) return net;
  auto quantized = std::make_unique<QuantizedNetwork>(net.spec(), load_quantizer_options(file));
  quantized->load(file);
  net.set_hook(std::move(quantized));
  return net;
}

}  // namespace intandem
