#include "distill/folded_baseline.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "quant/multiplier.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kBatch = 128;

/// Output steps of every unit but the last, from the teacher's own activations.
std::vector<double> fit_output_steps(FloatNetwork& teacher, const Student& frame,
                                     const Dataset& data, std::int64_t images, StepMethod method) {
  const int L = teacher.unit_count();
  std::vector<std::optional<MagnitudeHistogram>> histograms(static_cast<std::size_t>(L));
  for (std::int64_t first = 0; first < images; first += kBatch) {
    const TensorU8 batch = image_range(data, first, std::min(kBatch, images - first));
    Tape tape;
    std::vector<Var> values(static_cast<std::size_t>(L));
    Var x = tape.constant(normalize(batch, frame.normalization()));
    for (int k = 0; k < L; ++k) {
      const Var z = teacher.preactivation(tape, k, x, values, FloatNetwork::Mode{});
      auto& histogram = histograms[static_cast<std::size_t>(k)];
      if (!histogram) {
        const double largest =
            static_cast<double>(*std::max_element(z->value.begin(), z->value.end()));
        histogram.emplace(std::max(1e-3, largest));
      }
      histogram->add(z->value.data(), z->value.size(), true);
      x = values[static_cast<std::size_t>(k)] = teacher.finish(tape, k, z, FloatNetwork::Mode{});
    }
  }
  std::vector<double> steps;
  for (int k = 0; k + 1 < L; ++k) {
    steps.push_back(fit_step(*histograms[static_cast<std::size_t>(k)], frame.max_code(k), method));
  }
  return steps;
}

}  // namespace

IntModel folded_baseline(FloatNetwork& teacher, const Normalization& normalization,
                         const Dataset& data, std::int64_t calibration_images, bool per_channel,
                         StepMethod method, const StudentOptions& options) {
  const NetworkSpec& spec = teacher.spec();
  const Student frame(spec, normalization, options, Rng(0));  // bits and ranges per unit
  const std::vector<double> out_steps =
      fit_output_steps(teacher, frame, data, std::min(calibration_images, data.size()), method);
  IntModel model = lower(frame, 0);
  for (int k = 0; k < frame.unit_count(); ++k) {
    const UnitSpec& unit_spec = spec.units[static_cast<std::size_t>(k)];
    const StudentUnit& unit = frame.unit(k);
    const bool last = frame.is_last(k);
    const double in_step = k == 0 ? 1.0 : out_steps[static_cast<std::size_t>(k - 1)];
    const double out_step = last ? 1.0 : out_steps[static_cast<std::size_t>(k)];
    IntLayer layer =
        layer_frame(spec, frame.geometry()[static_cast<std::size_t>(k)], k, frame.normalization());
    layer.in_max = frame.in_max(k);
    layer.max_code = frame.max_code(k);
    const std::int64_t K = layer.shape.K;
    std::vector<double> units(1, in_step / static_cast<double>(layer.shape.R * layer.shape.S));
    if (layer.kind != IntLayerKind::avg_pool) {
      const FoldedUnit folded =
          fold_batch_norm(teacher.unit(k), unit_spec, k == 0 ? &normalization : nullptr);
      // The last layer's logits are compared with each other, so they share one step.
      const std::vector<double> steps =
          per_channel && !last
              ? fit_weight_steps_per_channel(folded.weight, unit.weight_bits, options.full_range,
                                             method)
              : std::vector<double>{fit_weight_step(folded.weight.data(), folded.weight.size(),
                                                    unit.weight_bits, options.full_range, method)};
      const CodeRange range = weight_range(unit.weight_bits, options.full_range);
      layer.weight_bits = unit.weight_bits;
      layer.weights = TensorS8(folded.weight.shape());
      layer.bias = TensorS32({K});
      units.clear();
      for (const double step : steps) units.push_back(in_step * step);
      const std::int64_t row = folded.weight.size() / K;
      for (std::int64_t c = 0; c < K; ++c) {
        const std::size_t s = steps.size() == 1 ? 0 : static_cast<std::size_t>(c);
        for (std::int64_t i = c * row; i < (c + 1) * row; ++i) {
          layer.weights[i] = encode_weight(folded.weight[i], steps[s], range, unit.weight_bits);
        }
        layer.bias[c] = static_cast<std::int32_t>(
            std::floor(static_cast<double>(folded.bias[c]) / units[s] + 0.5));
      }
      if (k == 0) fold_zero_point(layer, normalization);
    }
    if (!last) {
      for (const double scale : units) {
        layer.scale.push_back(
            make_multiplier(scale / out_step, options.multiplier_bits, layer.name));
        if (layer.add >= 0) {
          const double shortcut = out_steps[static_cast<std::size_t>(layer.add)] / out_step;
          layer.add_m.push_back(static_cast<std::int32_t>(
              std::floor(std::ldexp(shortcut, layer.scale.back().n) + 0.5)));
        }
      }
    }
    measure_bounds(layer);
    model.layers.push_back(std::move(layer));
  }
  return model;
}

}  // namespace intandem
