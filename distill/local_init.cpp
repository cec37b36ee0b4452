#include "distill/local_init.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/conv/winograd/winograd.hpp"
#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "quant/quantized_network.hpp"
#include "quant/uniform.hpp"

namespace intandem {
namespace {

/// Correlation below which the student's product says nothing about the teacher's activation.
constexpr double kMinCorrelation = 0.1;

/// Sums over calibration positions of one channel.
struct ChannelSums {
  double s = 0, t = 0, ss = 0, tt = 0, st = 0;
};

class ClosedForm {
 public:
  explicit ClosedForm(std::int64_t channels) : sums_(static_cast<std::size_t>(channels)) {}

  /// product: accumulators without bias, in units of `unit`. shortcut: the codes that a residual
  /// unit adds to the product, or empty; the rest of the target is what product and bias must give.
  void add(const TensorS32& product, double unit, const TensorF& target, const TensorF& shortcut,
           float shortcut_step) {
    const auto K = static_cast<std::int64_t>(sums_.size());
    for (std::int64_t i = 0; i < target.size(); ++i) {
      ChannelSums& sum = sums_[static_cast<std::size_t>(i % K)];
      const double s = unit * product[i];
      const double t =
          static_cast<double>(target[i] - (shortcut.empty() ? 0.0f : shortcut_step * shortcut[i]));
      sum.s += s;
      sum.t += t;
      sum.ss += s * s;
      sum.tt += t * t;
      sum.st += s * t;
    }
    count_ += static_cast<double>(target.size() / K);
  }

  void solve(StudentUnit& unit) const {
    double covariance = 0, variance_s = 0, variance_t = 0, square_t = 0;
    for (const ChannelSums& c : sums_) {
      covariance += c.st - c.s * c.t / count_;
      variance_s += c.ss - c.s * c.s / count_;
      variance_t += c.tt - c.t * c.t / count_;
      square_t += c.tt;
    }
    double alpha = 1.0;
    if (variance_s > 0.0 && variance_t > 0.0) {
      const double correlation = covariance / std::sqrt(variance_s * variance_t);
      alpha = correlation > kMinCorrelation ? covariance / variance_s
                                            : std::sqrt(variance_t / variance_s);
    }
    unit.alpha.value[0] = static_cast<float>(alpha);
    for (std::size_t c = 0; c < sums_.size(); ++c) {
      unit.bias.value[static_cast<std::int64_t>(c)] =
          static_cast<float>((sums_[c].t - alpha * sums_[c].s) / count_);
    }
    const double positions = count_ * static_cast<double>(sums_.size());
    unit.z_scale = static_cast<float>(std::max(std::sqrt(square_t / positions), 1e-6));
  }

 private:
  std::vector<ChannelSums> sums_;
  double count_ = 0.0;
};

TensorF initial_weights(Hybrid& hybrid, int k, const DistillOptions& options) {
  StudentUnit& unit = hybrid.student().unit(k);
  // The constructor left He-normal latents: they are the random start.
  if (options.random_init) return unit.weight.value;
  const Normalization* input = k == 0 ? &hybrid.student().normalization() : nullptr;
  return fold_batch_norm(hybrid.teacher(), k, input).weight;
}

/// A quantized teacher's own step where the student has as many codes and may take any step, or
/// quantizes in the same way: those are the values its suffix was trained on. Else the fitted one.
double first_step(const FloatNetwork& teacher, int k, const StudentUnit& unit, int high,
                  double fitted) {
  const auto own = teacher_output(teacher, k);
  if (!own || own->max_code != high) return fitted;
  const bool takes_any = unit.activation->learns_step() || unit.activation->name() == "uniform";
  return takes_any || unit.activation->name() == own->quantizer ? own->step : fitted;
}

template <class F>
void for_each_calibration_batch(const Dataset& data, const DistillOptions& options, const F& f) {
  const std::int64_t images = std::min(options.calibration_images, data.size());
  for (std::int64_t first = 0; first < images; first += options.batch) {
    f(image_range(data, first, std::min(options.batch, images - first)));
  }
}

}  // namespace

void local_init(Hybrid& hybrid, int k, const Dataset& data, const DistillOptions& options) {
  Student& student = hybrid.student();
  StudentUnit& unit = student.unit(k);
  const UnitGeometry& geometry = student.geometry()[static_cast<std::size_t>(k)];
  const UseWinograd winograd(true);  // in the teacher
  unit.alpha.value[0] = 1.0f;
  unit.out_step.value[0] = 1.0f;
  TensorS8 weights;
  if (unit.quantizer) {
    unit.weight.value = initial_weights(hybrid, k, options);
    unit.bias.value.fill(0.0f);
    unit.quantizer->fit(unit.weight.value);
    weights = unit.quantizer->encode(unit.weight.value);
  }
  const double product_unit =
      unit.quantizer ? student.in_step(k) * unit.quantizer->step(unit.weight.value) : 1.0;

  ClosedForm closed_form(geometry.shape.K);
  MagnitudeHistogram outputs;
  for_each_calibration_batch(data, options, [&](const TensorU8& batch) {
    const TensorF z = hybrid.teacher_pass(batch, k, k, false).z[static_cast<std::size_t>(k)];
    if (unit.quantizer) {
      const std::vector<TensorF> codes = hybrid.prefix_codes(batch, k, options.stage_input);
      const TensorF x = geometry.from < 0 ? centered_pixels(batch, student.normalization())
                                          : codes[static_cast<std::size_t>(geometry.from)];
      const int add = geometry.add;
      closed_form.add(unit_product(student, k, x, weights), product_unit, z,
                      add < 0 ? TensorF() : codes[static_cast<std::size_t>(add)],
                      add < 0 ? 0.0f : student.unit(add).out_step.value[0]);
    }
    outputs.add(z.data(), z.size(), !geometry.has_sign);
  });
  if (unit.quantizer) closed_form.solve(unit);
  if (!student.is_last(k)) {
    const int high = student.largest_positive(k);
    const double fitted = unit.activation->fit(outputs, high);
    unit.out_step.value[0] =
        static_cast<float>(first_step(hybrid.teacher(), k, unit, high, fitted));
  }
}

}  // namespace intandem
