#include "quant/uniform.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/parallel.hpp"

namespace intandem {
namespace {

constexpr double kPercentile = 0.999;
constexpr int kLloydRounds = 8;

double largest_magnitude(const float* values, std::int64_t n, bool positive_only = false) {
  float largest = 0.0f;
  for (std::int64_t i = 0; i < n; ++i) {
    largest = std::max(largest, positive_only ? values[i] : std::abs(values[i]));
  }
  return static_cast<double>(largest);
}

/// The smallest power of two that is at least `v`; 0 for 0.
double power_of_two(double v) { return v > 0.0 ? std::exp2(std::ceil(std::log2(v))) : 0.0; }

}  // namespace

StepMethod step_method_from_name(const std::string& name) {
  if (name == "min-max") return StepMethod::min_max;
  if (name == "percentile") return StepMethod::percentile;
  if (name == "mse") return StepMethod::mse;
  throw Error("step method", "unknown method '" + name + "'", "use min-max, percentile or mse",
              ExitCode::usage);
}

MagnitudeHistogram::MagnitudeHistogram(double limit)
    : limit_(power_of_two(limit)), bins_(static_cast<std::size_t>(kBins), 0) {
  INTANDEM_CHECK(limit >= 0.0, "the limit of a histogram is negative");
}

void MagnitudeHistogram::double_limit() {
  for (std::size_t bin = 0; bin < kBins / 2; ++bin)
    bins_[bin] = bins_[2 * bin] + bins_[2 * bin + 1];
  std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
  limit_ *= 2.0;
}

void MagnitudeHistogram::add(const float* values, std::int64_t n, bool positive_only) {
  if (limit_ == 0.0) limit_ = power_of_two(largest_magnitude(values, n, positive_only));
  for (std::int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(values[i]);
    if (positive_only && v <= 0.0) continue;
    if (!std::isfinite(v)) {
      throw Error("calibration", "a weight or an activation is not finite",
                  "the numbers of the teacher overflow; train it again");
    }
    while (std::abs(v) > limit_) double_limit();
    largest_ = std::max(largest_, std::abs(v));
    const auto bin = limit_ == 0.0 ? 0 : static_cast<std::int64_t>(std::abs(v) / limit_ * kBins);
    ++bins_[static_cast<std::size_t>(std::min<std::int64_t>(bin, kBins - 1))];
    ++count_;
  }
}

double MagnitudeHistogram::quantile(double fraction) const {
  const double wanted = fraction * static_cast<double>(count_);
  std::int64_t seen = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    seen += bins_[static_cast<std::size_t>(bin)];
    if (static_cast<double>(seen) >= wanted) return std::min(largest_, limit_ * (bin + 1) / kBins);
  }
  return largest_;
}

double MagnitudeHistogram::squared_error(double step, std::int32_t high) const {
  double sum = 0.0;
  for (int bin = 0; bin < kBins; ++bin) {
    const std::int64_t n = bins_[static_cast<std::size_t>(bin)];
    if (n == 0) continue;
    const double v = limit_ * (bin + 0.5) / kBins;
    const double code = std::min(std::floor(v / step + 0.5), static_cast<double>(high));
    const double error = v - step * code;
    sum += static_cast<double>(n) * error * error;
  }
  return sum;
}

double fit_step(const MagnitudeHistogram& histogram, std::int32_t high, StepMethod method) {
  if (histogram.count() == 0) return 1.0;
  const double largest = histogram.quantile(1.0);
  if (largest == 0.0) return 1.0;
  if (method == StepMethod::min_max) return largest / high;
  if (method == StepMethod::percentile) return histogram.quantile(kPercentile) / high;
  // The error has several local minima in the step; a grid over clipping points from 2 % to 120 %
  // of the largest value, then a finer one around the best, finds the global one to 0.1 %.
  double best = largest / high;
  double best_error = histogram.squared_error(best, high);
  const auto search = [&](double from, double to, int points) {
    for (int i = 0; i <= points; ++i) {
      const double step = from * std::pow(to / from, static_cast<double>(i) / points);
      const double error = histogram.squared_error(step, high);
      if (error < best_error) {
        best_error = error;
        best = step;
      }
    }
  };
  search(0.02 * largest / high, 1.2 * largest / high, 120);
  search(best / 1.04, best * 1.04, 40);
  return best;
}

double fit_weight_step(const float* w, std::int64_t n, int weight_bits, bool full_range,
                       StepMethod method) {
  const CodeRange range = weight_range(weight_bits, full_range);
  const double limit = largest_magnitude(w, n);
  if (limit == 0.0) return 1.0;  // an all-zero channel: any step encodes it exactly
  if (weight_bits == 1) {
    // The least-squares step of s·sign(w) is the mean magnitude (Rastegari et al. 2016, eq. 6).
    double sum = 0.0;
    for (std::int64_t i = 0; i < n; ++i) sum += std::abs(static_cast<double>(w[i]));
    return sum / static_cast<double>(n);
  }
  MagnitudeHistogram histogram(limit);
  histogram.add(w, n, false);
  double step = fit_step(histogram, range.high, method);
  if (method != StepMethod::mse) return step;
  for (int round = 0; round < kLloydRounds; ++round) {
    double wq = 0.0;
    double qq = 0.0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double q = encode_weight(w[i], step, range, weight_bits);
      wq += static_cast<double>(w[i]) * q;
      qq += q * q;
    }
    if (qq == 0.0 || wq <= 0.0) break;
    step = wq / qq;
  }
  return step;
}

std::vector<double> fit_weight_steps_per_channel(const TensorF& w, int weight_bits, bool full_range,
                                                 StepMethod method) {
  const std::int64_t K = w.dim(0);
  const std::int64_t per_channel = w.size() / K;
  std::vector<double> steps(static_cast<std::size_t>(K));
  parallel_for(K, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      steps[static_cast<std::size_t>(k)] =
          fit_weight_step(w.data() + k * per_channel, per_channel, weight_bits, full_range, method);
    }
  });
  return steps;
}

}  // namespace intandem
