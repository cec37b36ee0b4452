#include "quant/fake_quant.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/parallel.hpp"
#include "nn/conv2d_passes.hpp"
#include "nn/conv2d_winograd.hpp"
#include "nn/ops.hpp"
#include "quant/integer/accumulate.hpp"
#include "quant/multiplier.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 14;

TensorF to_float(const TensorS8& codes) {
  TensorF result(codes.shape());
  std::copy(codes.begin(), codes.end(), result.begin());
  return result;
}

Shape product_shape(const ConvShape& shape, bool linear) {
  return linear ? Shape{shape.N, shape.K} : Shape{shape.N, shape.P(), shape.Q(), shape.K};
}

// Everything the two backward passes of a unit need. Kept alive by their closures.
struct UnitRecord {
  ConvShape shape;
  UnitCodes codes;
  TensorS32 acc;     // product + bias, [N][P][Q][K]
  TensorF shortcut;  // codes of the shortcut, or empty
  std::int32_t max_code = 0;
  bool winograd = winograd_in_use();  // in the gradients
};

// The gradient of window sums: spreads each over its window.
TensorF spread_windows(const ConvShape& shape, const TensorF& g, float factor, const Shape& to) {
  TensorF dx = TensorF::zeros(to);
  parallel_for(shape.N, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::int64_t i = 0; i < shape.P() * shape.Q() * shape.R * shape.S; ++i) {
        const std::int64_t s = i % shape.S;
        const std::int64_t r = i / shape.S % shape.R;
        const std::int64_t q = i / (shape.S * shape.R) % shape.Q();
        const std::int64_t p = i / (shape.S * shape.R * shape.Q());
        float* out =
            dx.data() +
            ((n * shape.H + p * shape.stride + r) * shape.W + q * shape.stride + s) * shape.C;
        const float* in = g.data() + ((n * shape.P() + p) * shape.Q() + q) * shape.C;
        for (std::int64_t c = 0; c < shape.C; ++c) out[c] += factor * in[c];
      }
    }
  });
  return dx;
}

TensorF real_values(const UnitRecord& record, double out_step, bool last) {
  TensorF z(record.acc.shape());
  const double unit = last ? record.codes.unit : multiplier_value(record.codes.scale) * out_step;
  const double shortcut_unit =
      last ? 0.0
           : std::ldexp(static_cast<double>(record.codes.add_m), -record.codes.scale.n) * out_step;
  parallel_for(z.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double value = unit * static_cast<double>(record.acc[i]);
      if (!record.shortcut.empty()) {
        value += shortcut_unit * static_cast<double>(record.shortcut[i]);
      }
      z[i] = static_cast<float>(value);
    }
  });
  return z;
}

// d z / d (x, weights, step_in, step_w, alpha, bias, shortcut): Q13 with the straight-through
// estimator for the roundings of weights, bias and multiplier.
void backward_product(const UnitRecord& record, StudentUnit& unit, const Var& x, const Var& in_step,
                      const Var& shortcut, const Var& shortcut_step, const SimulationMode& mode,
                      const TensorF& dz) {
  const double step = static_cast<double>(in_step->value[0]);
  if (record.codes.weights.empty()) {  // average pool: z = step_in·sum/(R·S)
    if (x->needs_grad) {
      accumulate(x, spread_windows(record.shape, dz, static_cast<float>(record.codes.unit),
                                   x->value.shape()));
    }
    if (in_step->needs_grad) {
      const double d = parallel_sum<double>(dz.size(), kGrain, [&](std::int64_t b, std::int64_t e) {
        double sum = 0.0;
        for (std::int64_t i = b; i < e; ++i) {
          sum += static_cast<double>(dz[i]) * record.acc[i];
        }
        return sum;
      });
      accumulate(in_step, TensorF::full({1}, static_cast<float>(d * record.codes.unit / step)));
    }
    return;
  }
  const double alpha = static_cast<double>(unit.alpha.value[0]);
  const TensorF q = to_float(record.codes.weights);
  if (mode.train || mode.train_alpha || in_step->needs_grad) {
    TensorF dw = TensorF::zeros(q.shape());
    weight_gradient_pass(record.shape, record.winograd, x->value.data(), dz.data(), dw.data(),
                         mode.train ? unit.bias.grad.data() : nullptr);
    // dw is d/d(q) per unit of z; ⟨dw, q⟩ = ⟨dz, Σ q_w q_x⟩ gives every scale's gradient at once.
    const double along =
        parallel_sum<double>(dw.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          double sum = 0.0;
          for (std::int64_t i = begin; i < end; ++i) sum += static_cast<double>(dw[i] * q[i]);
          return sum;
        });
    if (mode.train_alpha) {
      unit.alpha.grad[0] += static_cast<float>(along * record.codes.unit / alpha);
    }
    if (in_step->needs_grad) {
      accumulate(in_step, TensorF::full({1}, static_cast<float>(along * record.codes.unit / step)));
    }
    if (mode.train) {
      const auto factor = static_cast<float>(alpha * step);
      parallel_for(dw.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) dw[i] *= factor;
      });
      unit.quantizer->backward(unit.weight.value, record.codes.weights, dw, unit.weight.grad);
    }
  }
  if (x->needs_grad) {
    TensorF w_real(q.shape());
    const auto factor = static_cast<float>(record.codes.unit);
    for (std::int64_t i = 0; i < q.size(); ++i) w_real[i] = factor * q[i];
    TensorF dx(x->value.shape());
    data_gradient_pass(record.shape, record.winograd, dz.data(), w_real.data(), dx.data());
    accumulate(x, std::move(dx));
  }
  if (shortcut && (shortcut->needs_grad || shortcut_step->needs_grad)) {
    const float s = shortcut_step->value[0];
    TensorF d(dz.shape());
    double d_step = 0.0;
    for (std::int64_t i = 0; i < dz.size(); ++i) {
      d[i] = s * dz[i];
      d_step += static_cast<double>(dz[i] * shortcut->value[i]);
    }
    accumulate(shortcut, std::move(d));
    accumulate(shortcut_step, TensorF::full({1}, static_cast<float>(d_step)));
  }
}

// Q5/Q6 forward; backward of code = clamp(round(z/s)): d/dz = 1/s and d/ds = −z/s² where
// 0 < z/s < max_code, else 0 (LSQ eq. 3 follows when code·s is taken).
Var requantize_on_tape(Tape& tape, const std::shared_ptr<UnitRecord>& record, const Var& z,
                       const Var& out_step) {
  const std::int32_t max_code = record->max_code;
  TensorF codes(z->value.shape());
  parallel_for(codes.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const Multiplier scale = record->codes.scale;
    for (std::int64_t i = begin; i < end; ++i) {
      codes[i] = record->shortcut.empty()
                     ? requantize(record->acc[i], scale, max_code)
                     : requantize_add(record->acc[i], scale,
                                      static_cast<std::uint8_t>(record->shortcut[i]),
                                      record->codes.add_m, max_code);
    }
  });
  return tape.record(std::move(codes), {z, out_step}, [z, out_step, max_code](const Node& self) {
    const float inverse = 1.0f / out_step->value[0];
    const auto high = static_cast<float>(max_code);
    TensorF dz(z->value.shape());
    const double d_step =
        parallel_sum<double>(dz.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
          double sum = 0.0;
          for (std::int64_t i = begin; i < end; ++i) {
            const float u = z->value[i] * inverse;
            const bool inside = u > 0.0f && u < high;
            dz[i] = inside ? self.grad[i] * inverse : 0.0f;
            if (inside) sum -= static_cast<double>(self.grad[i] * u);
          }
          return sum;
        });
    accumulate(z, std::move(dz));
    accumulate(out_step, TensorF::full({1}, static_cast<float>(d_step) * inverse));
  });
}

}  // namespace

SimulatedUnit simulate_unit(Tape& tape, Student& student, int k, const Var& x, const Var& in_step,
                            const Var& shortcut, const Var& shortcut_step,
                            const SimulationMode& mode) {
  StudentUnit& unit = student.unit(k);
  const UnitSpec& spec = student.spec().units[static_cast<std::size_t>(k)];
  const UnitGeometry& geometry = student.geometry()[static_cast<std::size_t>(k)];
  auto record = std::make_shared<UnitRecord>();
  record->shape = geometry.shape;
  record->shape.N = x->value.dim(0);
  record->codes = quantize_unit(student, k);
  record->max_code = student.max_code(k);
  if (geometry.add >= 0) record->shortcut = shortcut->value;

  const IntLayer layer = lower_product(student, k, record->codes);
  record->acc = accumulate(layer, input_bytes(layer, x->value))
                    .reshaped(product_shape(record->shape, spec.kind == UnitKind::linear));

  std::vector<Var> inputs = {x, in_step};
  if (shortcut) inputs.insert(inputs.end(), {shortcut, shortcut_step});
  // Parameters get their gradients directly; their Vars only make the tape keep the closure.
  if (mode.train && unit.quantizer) inputs.push_back(tape.parameter(unit.bias));
  if (mode.train_alpha && unit.quantizer) inputs.push_back(tape.parameter(unit.alpha));
  const Var z = tape.record(
      real_values(*record, static_cast<double>(unit.out_step.value[0]), student.is_last(k)), inputs,
      [record, &unit, x, in_step, shortcut, shortcut_step, mode](const Node& self) {
        backward_product(*record, unit, x, in_step, shortcut, shortcut_step, mode, self.grad);
      });
  if (student.is_last(k)) return {z, nullptr, record->acc};

  const Var out_step =
      mode.train ? tape.parameter(unit.out_step) : tape.constant(unit.out_step.value);
  Var codes = requantize_on_tape(tape, record, z, out_step);
  if (spec.pool_kernel > 0) codes = max_pool(tape, codes, spec.pool_kernel, spec.pool_stride);
  return {z, codes, record->acc};
}

}  // namespace intandem
