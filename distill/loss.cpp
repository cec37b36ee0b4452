#include "distill/loss.hpp"

#include <algorithm>
#include <vector>

#include "core/parallel.hpp"

namespace intandem {
namespace {

// Rows are summed in fixed chunks; per channel Σ t, Σ t² and the squared error.
struct Moments {
  std::vector<double> sum, square;
  double error = 0.0;

  Moments& operator+=(const Moments& other) {
    if (sum.empty()) {
      *this = other;
      return *this;
    }
    for (std::size_t c = 0; c < sum.size(); ++c) {
      sum[c] += other.sum[c];
      square[c] += other.square[c];
    }
    error += other.error;
    return *this;
  }
};

constexpr double kEpsilon = 1e-12;

}  // namespace

Var local_loss(Tape& tape, const Var& z, const TensorF& target, float low, float high) {
  check_same_shape(target.shape(), z->value.shape(), "teacher's activation");
  const std::int64_t C = target.dim(target.rank() - 1);
  const std::int64_t rows = target.size() / C;
  const bool clip = low < high;
  const auto clipped = [clip, low, high](float v) { return clip ? std::clamp(v, low, high) : v; };

  const auto total =
      parallel_sum<Moments>(rows, 1 + (1 << 14) / C, [&](std::int64_t b, std::int64_t e) {
        Moments m{std::vector<double>(static_cast<std::size_t>(C)),
                  std::vector<double>(static_cast<std::size_t>(C)), 0.0};
        for (std::int64_t row = b; row < e; ++row) {
          for (std::int64_t c = 0; c < C; ++c) {
            const double t = static_cast<double>(clipped(target[row * C + c]));
            const double d = static_cast<double>(clipped(z->value[row * C + c])) - t;
            m.sum[static_cast<std::size_t>(c)] += t;
            m.square[static_cast<std::size_t>(c)] += t * t;
            m.error += d * d;
          }
        }
        return m;
      });
  double variance = kEpsilon;
  for (std::size_t c = 0; c < total.sum.size(); ++c) {
    variance += total.square[c] - total.sum[c] * total.sum[c] / static_cast<double>(rows);
  }
  return tape.record(TensorF::full({1}, static_cast<float>(total.error / variance)), {z},
                     [z, target, clipped, variance](const Node& self) {
                       const auto factor =
                           static_cast<float>(2.0 / variance * static_cast<double>(self.grad[0]));
                       TensorF dz(z->value.shape());
                       parallel_for(dz.size(), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) {
                           dz[i] = factor * (clipped(z->value[i]) - clipped(target[i]));
                         }
                       });
                       accumulate(z, std::move(dz));
                     });
}

}  // namespace intandem
