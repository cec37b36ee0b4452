#include "quant/fake_quant.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/ops.hpp"
#include "nn/pool_shape.hpp"
#include "quant/integer/accumulate.hpp"
#include "quant/multiplier.hpp"
#include "quant/unit_gradients.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

Shape product_shape(const ConvShape& shape, bool linear) {
  return linear ? Shape{shape.N, shape.K} : Shape{shape.N, shape.P(), shape.Q(), shape.K};
}

/// What accumulators and codes of the shortcut, less their zero point, are worth in z.
struct RealUnits {
  double acc, shortcut;
  std::int32_t shortcut_zero;
};

RealUnits real_units(const UnitCodes& codes, double out_step, const IntLayer& layer) {
  if (layer.is_last()) return {codes.unit, 0.0, 0};
  return {multiplier_value(codes.scale) * out_step,
          std::ldexp(static_cast<double>(codes.add_m), -codes.scale.n) * out_step, layer.add_zero};
}

void real_values(const RealUnits& units, const std::int32_t* acc, const std::uint8_t* shortcut,
                 std::int64_t n, float* z) {
  if (shortcut == nullptr) {
    for (std::int64_t i = 0; i < n; ++i) z[i] = static_cast<float>(units.acc * acc[i]);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    z[i] = static_cast<float>(units.acc * acc[i] +
                              units.shortcut * (shortcut[i] - units.shortcut_zero));
  }
}

/// Accumulators whose codes are the unit's output, and where max-pool found them.
struct Chosen {
  TensorS32 acc;
  TensorU8 places;  // empty without max-pool
  PoolShape pool{};
};

/// Output codes less their zero point in floats and, if wanted, the real preactivation behind each.
struct Activation {
  TensorF codes, z;
};

Activation activate(const IntLayer& layer, const RealUnits& units, const TensorS32& acc,
                    const TensorU8& shortcut, bool with_z) {
  const ProfileScope scope("requantize", 0, 12.0 * static_cast<double>(acc.size()));
  const Requantizer requantizer(layer);
  Activation result;
  result.codes = TensorF(acc.shape());
  if (with_z) result.z = TensorF(acc.shape());
  const std::int64_t K = layer.shape.K, rows = std::max<std::int64_t>(1, kGrain / K);
  parallel_for(acc.size() / K, rows, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * K, n = (end - begin) * K;
    const std::uint8_t* added = shortcut.empty() ? nullptr : shortcut.data() + first;
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(n));
    requantizer.run(acc.data() + first, added, end - begin, bytes.data());
    float* codes = result.codes.data() + first;
    const std::uint8_t* in = bytes.data();
    const std::int32_t zero_point = layer.zero_point;
    for (std::int64_t i = 0; i < n; ++i) codes[i] = static_cast<float>(in[i] - zero_point);
    if (with_z) real_values(units, acc.data() + first, added, n, result.z.data() + first);
  });
  return result;
}

/// dL/dz of the whole unit from the gradient of its codes. `activation.z`: behind the codes.
TensorF backward_activation(const UnitRecord& record, StudentUnit& unit,
                            const Activation& activation, const Chosen& chosen, const Var& out_step,
                            CodeRange range, const TensorF& g, bool with_bias) {
  const TensorF& z = activation.z;
  TensorF dz(z.shape());
  {
    const ProfileScope scope("requantize backward", 0, 3.0 * static_cast<double>(z.size_bytes()));
    const double d_step =
        parallel_sum<double>(dz.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          return unit.activation->backward(z.data() + begin, activation.codes.data() + begin,
                                           g.data() + begin, end - begin, out_step->value[0], range,
                                           dz.data() + begin);
        });
    accumulate(out_step, TensorF::full({1}, static_cast<float>(d_step)));
  }
  if (with_bias) add_bias_gradient(record, unit, dz);
  if (chosen.places.empty()) return dz;
  const PoolShape& pool = chosen.pool;
  TensorF spread({record.shape.N, pool.H, pool.W, pool.C});
  const ProfileScope scope("pool backward", 0, static_cast<double>(spread.size_bytes()));
  max_pool_backward(pool, record.shape.N, dz.data(), chosen.places.data(), spread.data());
  return spread;
}

/// What the product of a unit depends on.
std::vector<Var> inputs_of(Tape& tape, const UnitRecord& record, StudentUnit& unit) {
  std::vector<Var> inputs = {record.x, record.in_step};
  if (record.shortcut) inputs.insert(inputs.end(), {record.shortcut, record.shortcut_step});
  // Parameters get their gradients directly; their Vars only make the tape keep the closure.
  const SimulationMode& mode = record.mode;
  if (mode.train && unit.quantizer) {
    inputs.push_back(tape.parameter(unit.weight));
    inputs.push_back(tape.parameter(unit.bias));
  }
  if (mode.train_alpha && unit.quantizer) inputs.push_back(tape.parameter(unit.alpha));
  return inputs;
}

}  // namespace

Var out_step_on_tape(Tape& tape, StudentUnit& unit, bool train) {
  return train && unit.learns_out_step() ? tape.parameter(unit.out_step)
                                         : tape.constant(unit.out_step.value);
}

SimulatedUnit simulate_unit(Tape& tape, Student& student, int k, const Var& x, const Var& in_step,
                            const Var& shortcut, const Var& shortcut_step,
                            const SimulationMode& mode) {
  StudentUnit& unit = student.unit(k);
  const UnitSpec& spec = student.spec().units[static_cast<std::size_t>(k)];
  const ProfileUnit profile_unit(spec.name);
  auto record = std::make_shared<UnitRecord>();
  record->shape = student.geometry()[static_cast<std::size_t>(k)].shape;
  record->shape.N = x->value.dim(0);
  record->x = x, record->in_step = in_step;
  record->shortcut = shortcut, record->shortcut_step = shortcut_step;
  record->mode = mode;
  IntLayer layer;
  {
    const ProfileScope scope("lower", 0, 0);
    record->codes = quantize_unit(student, k);
    layer = lower_codes(student, k, record->codes);
  }
  Chosen chosen;
  {
    const ProfileScope scope("integer product", 2.0 * static_cast<double>(record->shape.macs()), 0);
    chosen.acc = accumulate(layer, input_bytes(layer, x->value))
                     .reshaped(product_shape(record->shape, spec.kind == UnitKind::linear));
  }
  const bool last = student.is_last(k);
  const TensorS32 acc = chosen.acc;
  if (spec.kind == UnitKind::avg_pool) record->window_sums = acc;
  const TensorU8 added = shortcut ? code_bytes_of(shortcut->value, layer.add_zero) : TensorU8{};
  const RealUnits units =
      real_units(record->codes, static_cast<double>(unit.out_step.value[0]), layer);

  std::vector<Var> inputs = inputs_of(tape, *record, unit);
  Var z;
  if (last || k >= mode.first_z) {
    TensorF real(acc.shape());
    const ProfileScope scope("real values", 0, 2.0 * static_cast<double>(real.size_bytes()));
    parallel_for(real.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      real_values(units, acc.data() + begin, added.empty() ? nullptr : added.data() + begin,
                  end - begin, real.data() + begin);
    });
    z = tape.record(std::move(real), inputs, [record, &unit](const Node& self) {
      add_bias_gradient(*record, unit, self.grad);
      backward_product(*record, unit, self.grad);
    });
    if (last) return {z, nullptr, acc};
  }

  // Max-pool first where that is the same: fewer codes to work out, and a gradient that goes to the
  // largest preactivation instead of the first of equal codes.
  const bool pools_first = spec.pool_kernel > 0 && !shortcut;
  if (pools_first) {
    const ProfileScope scope("pool", 0, static_cast<double>(acc.size_bytes()));
    chosen.pool = pool_shape(acc.shape(), spec.pool_kernel, spec.pool_stride);
    chosen.acc = max_pool_accumulators(acc, spec.pool_kernel, spec.pool_stride, &chosen.places);
  }
  const Var out_step = out_step_on_tape(tape, unit, mode.train);
  if (z) inputs = {z};
  inputs.push_back(out_step);
  const bool grads =
      std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v->needs_grad; });
  const bool own_z = pools_first || !z;  // else z itself is behind the codes
  Activation activation = activate(layer, units, chosen.acc, added, own_z && grads);
  if (!own_z) activation.z = z->value;
  chosen.acc = {};
  // On the tape a code is less its zero point (Q17).
  const CodeRange range = {-layer.zero_point, layer.max_code - layer.zero_point};
  Var codes =
      tape.record(activation.codes, inputs,
                  [record, &unit, activation, chosen, z, out_step, range](const Node& self) {
                    TensorF dz = backward_activation(*record, unit, activation, chosen, out_step,
                                                     range, self.grad, z == nullptr);
                    if (z) return accumulate(z, std::move(dz));
                    backward_product(*record, unit, dz);
                  });
  if (spec.pool_kernel > 0 && !pools_first) {
    codes = max_pool(tape, codes, spec.pool_kernel, spec.pool_stride);
  }
  return {z, codes, acc};
}

}  // namespace intandem
