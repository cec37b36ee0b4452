#include "distill/folded_baseline.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"
#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "quant/quantized_network.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kBatch = 128;

/// Output steps of every unit but the last, from the teacher's own activations.
std::vector<double> fit_output_steps(FloatNetwork& teacher, const Student& frame,
                                     const Dataset& data, std::int64_t images, StepMethod method) {
  const int L = teacher.unit_count();
  std::vector<MagnitudeHistogram> histograms(static_cast<std::size_t>(L));
  for (std::int64_t first = 0; first < images; first += kBatch) {
    const TensorU8 batch = image_range(data, first, std::min(kBatch, images - first));
    Tape tape;
    std::vector<Var> values(static_cast<std::size_t>(L));
    Var x = tape.constant(normalize(batch, frame.normalization()));
    for (int k = 0; k < L; ++k) {
      const UnitGeometry& geometry = frame.geometry()[static_cast<std::size_t>(k)];
      if (geometry.from >= 0) x = values[static_cast<std::size_t>(geometry.from)];
      const Var z = teacher.preactivation(tape, k, x, values, FloatNetwork::Mode{});
      histograms[static_cast<std::size_t>(k)].add(z->value.data(), z->value.size(),
                                                  !geometry.has_sign);
      x = values[static_cast<std::size_t>(k)] = teacher.finish(tape, k, z, FloatNetwork::Mode{});
    }
  }
  std::vector<double> steps;
  for (int k = 0; k + 1 < L; ++k) {
    // A quantized teacher's own grid, where the codes are as many.
    const auto own = teacher_output(teacher, k);
    steps.push_back(
        own && own->max_code == frame.largest_positive(k)
            ? own->step
            : fit_step(histograms[static_cast<std::size_t>(k)], frame.largest_positive(k), method));
  }
  return steps;
}

/// How the weights of one unit become codes.
struct WeightFit {
  int bits = 8;
  bool full_range = true;
  StepMethod method = StepMethod::mse;
  double in_step = 1.0;  ///< real value of input code 1
};

/// The real value of one accumulator unit for `count` output channels that share it: input step
/// times fitted weight step, unless bias, multiplier or shortcut could not be held in integers
/// then. It is made larger until they can, at the price of weights that hardly matter beside them.
/// Where no weight is left the bias alone decides, which any unit holds that is fine enough.
double shared_unit(const FoldedUnit& folded, std::int64_t first, std::int64_t count,
                   const WeightFit& fit, const UnitScales& scales) {
  const std::int64_t row = folded.weight.size() / folded.bias.size();
  const float* w = folded.weight.data() + first * row;
  double largest_weight = 0.0, largest_bias = 0.0;
  for (std::int64_t i = 0; i < count * row; ++i) {
    largest_weight = std::max(largest_weight, std::abs(static_cast<double>(w[i])));
  }
  for (std::int64_t k = first; k < first + count; ++k) {
    largest_bias = std::max(largest_bias, std::abs(static_cast<double>(folded.bias[k])));
  }
  // Half of int32 for the bias, 15 bits of m at the largest shift (Q4), m2 below 2^30 (Q6).
  const double smallest = std::max({std::ldexp(largest_bias, -30),
                                    std::ldexp(scales.out_step, kMaxMultiplierBits - kMaxShift),
                                    std::ldexp(scales.shortcut_step, -15)});
  const double fitted =
      largest_weight == 0.0
          ? 0.0
          : fit.in_step * fit_weight_step(w, count * row, fit.bits, fit.full_range, fit.method);
  const double unit = std::max(fitted, smallest);
  const bool constant = fit.bits > 1 && 2.0 * largest_weight * fit.in_step < unit;
  if (!constant) return unit;
  // 1/256 of an output code is fine enough for a constant, and leaves small accumulators.
  const double fine =
      std::max({std::ldexp(largest_bias, -24), std::ldexp(scales.out_step, -8), smallest});
  return fine > 0.0 ? fine : 1.0;
}

/// Weights, bias and scales of a unit with weights. per_channel: one unit for each channel.
void quantize_folded(const FoldedUnit& folded, bool per_channel, const WeightFit& fit,
                     UnitScales& scales, IntLayer& layer) {
  const std::int64_t K = layer.shape.K;
  const std::int64_t shared = per_channel ? 1 : K;
  const std::int64_t row = folded.weight.size() / K;
  const CodeRange range = weight_range(fit.bits, fit.full_range);
  layer.weight_bits = fit.bits;
  layer.weights = TensorS8(folded.weight.shape());
  scales.unit.assign(static_cast<std::size_t>(K / shared), 0.0);
  parallel_for(K / shared, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group) {
      const double unit = shared_unit(folded, group * shared, shared, fit, scales);
      scales.unit[static_cast<std::size_t>(group)] = unit;
      for (std::int64_t i = group * shared * row; i < (group + 1) * shared * row; ++i) {
        layer.weights[i] = encode_weight(folded.weight[i], unit / fit.in_step, range, fit.bits);
      }
    }
  });
}

}  // namespace

IntModel folded_baseline(FloatNetwork& teacher, const Normalization& normalization,
                         const Dataset& data, std::int64_t calibration_images, bool per_channel,
                         StepMethod method, const StudentOptions& options) {
  const NetworkSpec& spec = teacher.spec();
  const Student frame(spec, normalization, options, Rng(0));  // bits and ranges per unit
  const std::vector<double> out_steps =
      fit_output_steps(teacher, frame, data, std::min(calibration_images, data.size()), method);
  const auto step_of = [&](int k) { return out_steps[static_cast<std::size_t>(k)]; };
  IntModel model = lower(frame, 0);
  for (int k = 0; k < frame.unit_count(); ++k) {
    IntLayer layer = layer_frame(frame, k);
    const int from = frame.geometry()[static_cast<std::size_t>(k)].from;
    WeightFit fit{frame.unit(k).weight_bits, options.full_range, method};
    fit.in_step = from < 0 ? 1.0 : step_of(from);
    UnitScales scales;
    scales.multiplier_bits = options.multiplier_bits;
    if (!frame.is_last(k)) scales.out_step = step_of(k);
    if (layer.add >= 0) scales.shortcut_step = step_of(layer.add);
    TensorF bias;
    if (layer.kind == IntLayerKind::avg_pool) {
      scales.unit = {fit.in_step / static_cast<double>(layer.shape.R * layer.shape.S)};
    } else {
      const FoldedUnit folded = fold_batch_norm(teacher, k, k == 0 ? &normalization : nullptr);
      // The last layer's logits are compared with each other, so they share one step.
      quantize_folded(folded, per_channel && !frame.is_last(k), fit, scales, layer);
      bias = folded.bias;
    }
    RoundedUnit rounded = round_unit(bias, scales, layer.name);
    layer.bias = std::move(rounded.bias);
    layer.scale = std::move(rounded.scale);
    layer.add_m = std::move(rounded.add_m);
    fold_zero_point(layer);
    measure_bounds(layer);
    model.layers.push_back(std::move(layer));
  }
  check_model(model, "folded baseline");
  return model;
}

}  // namespace intandem
