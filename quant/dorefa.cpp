#include "quant/dorefa.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/parallel.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kGrain = 1 << 12;

struct Largest {
  double magnitude = 0.0;
  std::int64_t index = 0;  // of the first weight of that magnitude
};

Largest largest_weight(const TensorF& w) {
  Largest largest;
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const double magnitude = std::abs(static_cast<double>(w[i]));
    if (magnitude > largest.magnitude) largest = {magnitude, i};
  }
  return largest;
}

/// Odd code of t = tanh(w)/max|tanh(w)|, −1 … 1 (section 2.3 of the paper).
double odd_code(double t, int weight_bits) {
  const double n = (1 << weight_bits) - 1;
  return 2.0 * std::floor(n * (0.5 * t + 0.5) + 0.5) - n;
}

double step_of_eight_bits(const TensorF& w) {
  const double magnitude = largest_weight(w).magnitude;
  return magnitude > 0.0 ? magnitude / 127.0 : 1.0;
}

/// Counts of |w| in equal bins up to the largest.
class Bins {
 public:
  Bins(const TensorF& w, double limit) : limit_(limit) {
    for (const float v : w) {
      const double bin = std::abs(static_cast<double>(v)) / limit * kBins;
      ++counts_[std::min(static_cast<std::size_t>(bin), kBins - 1)];
    }
  }

  /// ⟨w, q⟩²/⟨q, q⟩ for the codes q of factor·w: the cosine of both, squared, up to |w|².
  double agreement(double factor, int weight_bits) const {
    const double inverse = 1.0 / portable_tanh(factor * limit_);
    double wq = 0.0, qq = 0.0;
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      if (counts_[bin] == 0) continue;
      const double v = limit_ * (static_cast<double>(bin) + 0.5) / kBins;
      const double q = odd_code(std::min(1.0, portable_tanh(factor * v) * inverse), weight_bits);
      wq += static_cast<double>(counts_[bin]) * v * q;
      qq += static_cast<double>(counts_[bin]) * q * q;
    }
    return wq * wq / qq;
  }

 private:
  static constexpr std::size_t kBins = 2048;
  double limit_;
  std::array<std::int64_t, kBins> counts_{};
};

}  // namespace

double portable_tanh(double x) {
  if (std::abs(x) > 20.0) return x < 0.0 ? -1.0 : 1.0;
  int halvings = 0;
  for (; std::abs(x) > 0.125; ++halvings) x *= 0.5;
  // Lambert's continued fraction x/(1 + x²/(3 + x²/(5 + …))) to 9 as one quotient.
  const double xx = x * x;
  double t = x * (945.0 + xx * (105.0 + xx)) / (945.0 + xx * (420.0 + 15.0 * xx));
  for (; halvings > 0; --halvings) t = 2.0 * t / (1.0 + t * t);
  return t;
}

void DorefaQuantizer::fit(TensorF& w) {
  if (weight_bits_ == 1 || weight_bits_ == 8) return;  // codes do not depend on a factor
  const double limit = largest_weight(w).magnitude;
  if (limit == 0.0) return;
  const Bins bins(w, limit);
  double best = 1.0 / limit, best_agreement = -1.0;
  // From tanh as good as linear up to a hundred times the largest weight, in steps of 5 %.
  for (double factor = 0.05 / limit; factor < 100.0 / limit; factor *= 1.05) {
    const double agreement = bins.agreement(factor, weight_bits_);
    if (agreement > best_agreement) {
      best_agreement = agreement;
      best = factor;
    }
  }
  for (float& v : w) v = static_cast<float>(static_cast<double>(v) * best);
}

double DorefaQuantizer::step(const TensorF& w) const {
  if (weight_bits_ == 8) return step_of_eight_bits(w);
  if (weight_bits_ > 1) return 1.0 / ((1 << weight_bits_) - 1);
  const double sum =
      parallel_sum<double>(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        double part = 0.0;
        for (std::int64_t i = begin; i < end; ++i) part += std::abs(static_cast<double>(w[i]));
        return part;
      });
  return std::max(sum / static_cast<double>(w.size()), 1e-12);
}

TensorS8 DorefaQuantizer::encode(const TensorF& w) const {
  if (weight_bits_ == 1) return encode_weights(w, 1.0, {-1, 1}, 1);
  if (weight_bits_ == 8) return encode_weights(w, step_of_eight_bits(w), {-127, 127}, 8);
  const double top = portable_tanh(largest_weight(w).magnitude);
  const double inverse = top > 0.0 ? 1.0 / top : 0.0;
  TensorS8 codes(w.shape());
  parallel_for(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double t = portable_tanh(static_cast<double>(w[i])) * inverse;
      codes[i] = static_cast<std::int8_t>(odd_code(std::clamp(t, -1.0, 1.0), weight_bits_));
    }
  });
  return codes;
}

void DorefaQuantizer::backward(const TensorF& w, const TensorS8&, const TensorF& g,
                               TensorF& grad_w) {
  if (weight_bits_ == 1 || weight_bits_ == 8) {
    for (std::int64_t i = 0; i < w.size(); ++i) grad_w[i] += g[i];
    return;
  }
  const Largest largest = largest_weight(w);
  const double top = portable_tanh(largest.magnitude);
  if (top == 0.0) return;
  const double inverse = 1.0 / top;
  // ŵ ≈ T/top with T = tanh(w): through T for every weight, through top for the largest one.
  const double through_top =
      parallel_sum<double>(w.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        double sum = 0.0;
        for (std::int64_t i = begin; i < end; ++i) {
          const double t = portable_tanh(static_cast<double>(w[i]));
          const double gradient = static_cast<double>(g[i]) * inverse;
          grad_w[i] += static_cast<float>(gradient * (1.0 - t * t));
          sum -= gradient * t * inverse;
        }
        return sum;
      });
  const double sign = w[largest.index] < 0.0f ? -1.0 : 1.0;
  grad_w[largest.index] += static_cast<float>(through_top * sign * (1.0 - top * top));
}

}  // namespace intandem
