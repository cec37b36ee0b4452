// Post-training steps: min-max, percentile and the mean-squared-error optimum (Q15).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "quant/quantizer.hpp"

namespace intandem {

enum class StepMethod {
  min_max,     ///< the largest magnitude maps to the largest code
  percentile,  ///< 99.9 % of the magnitudes are not clipped
  mse,         ///< least mean squared error
};
/// "min-max", "percentile", "mse"; Error (usage) for another name.
StepMethod step_method_from_name(const std::string& name);

/// Counts of magnitudes in equal bins, so that steps for millions of values cost a few thousand
/// operations and do not depend on the order of the values.
class MagnitudeHistogram {
 public:
  static constexpr int kBins = 4096;

  /// limit: the first guess of the largest magnitude, or 0: that of the first values that are not
  /// all zero; rounded up to a power of two. A larger value doubles it, merging bins, so that the
  /// bins in the end do not depend on the first guess.
  explicit MagnitudeHistogram(double limit = 0.0);
  void add(const float* values, std::int64_t n, bool positive_only);
  double limit() const { return limit_; }
  std::int64_t count() const { return count_; }
  /// Smallest magnitude such that `fraction` of all values are at most that.
  double quantile(double fraction) const;
  /// Σ over values of (v − step·clamp(⌊v/step + ½⌋, 0, high))² with each value at its bin's centre.
  double squared_error(double step, std::int32_t high) const;

 private:
  void double_limit();

  double limit_, largest_ = 0;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> bins_;
};

/// Step for values in the histogram and codes up to `high`. All-zero values give step 1.
double fit_step(const MagnitudeHistogram& histogram, std::int32_t high, StepMethod method);

/// Step of one layer's (or one channel's) n weights. mse ends with the least-squares refinement
/// step = Σ w·q / Σ q² (Lloyd's alternation) on the values themselves.
double fit_weight_step(const float* w, std::int64_t n, int weight_bits, bool full_range,
                       StepMethod method);
/// One step for each of the K outermost slices of w.
std::vector<double> fit_weight_steps_per_channel(const TensorF& w, int weight_bits, bool full_range,
                                                 StepMethod method);

}  // namespace intandem
