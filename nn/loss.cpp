// Losses. The gradient is worked out in the forward pass, where the softmax is at hand, and only
// scaled in the backward pass. Logits of any magnitude: the largest is subtracted first.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/ops.hpp"

namespace intandem {
namespace {

void check_logits(const TensorF& logits) {
  INTANDEM_CHECK(logits.rank() == 2 && logits.size() > 0,
                 "logits must be [N][classes], they are " + logits.shape().str());
}

// log softmax(z/τ) of one row.
void log_softmax(const float* z, std::int64_t classes, double tau, double* out) {
  const double largest = *std::max_element(z, z + classes);
  double sum = 0.0;
  for (std::int64_t c = 0; c < classes; ++c) {
    out[c] = (z[c] - largest) / tau;
    sum += std::exp(out[c]);
  }
  const double log_sum = std::log(sum);
  for (std::int64_t c = 0; c < classes; ++c) out[c] -= log_sum;
}

// A one-element node whose gradient with respect to x, for an upstream gradient of one, is known.
Var record_loss(Tape& tape, const Var& x, double value, TensorF unit_grad) {
  return tape.record(TensorF::full({1}, static_cast<float>(value)), {x},
                     [x, unit_grad](const Node& self) {
                       TensorF dx(unit_grad.shape());
                       for (std::int64_t i = 0; i < dx.size(); ++i) {
                         dx[i] = self.grad[0] * unit_grad[i];
                       }
                       accumulate(x, std::move(dx));
                     });
}

}  // namespace

Var cross_entropy(Tape& tape, const Var& logits, const std::vector<std::int32_t>& labels,
                  float smoothing) {
  check_logits(logits->value);
  const std::int64_t rows = logits->value.dim(0), classes = logits->value.dim(1);
  INTANDEM_CHECK(static_cast<std::int64_t>(labels.size()) == rows,
                 std::to_string(labels.size()) + " labels for " + std::to_string(rows) + " rows");
  for (const std::int32_t label : labels) {
    INTANDEM_CHECK(label >= 0 && label < classes, "label " + std::to_string(label) + " of " +
                                                      std::to_string(classes) + " classes");
  }
  const ProfileUnit unit("loss");
  const ProfileScope scope("forward", 0, 2.0 * static_cast<double>(logits->value.size_bytes()));
  const double off = static_cast<double>(smoothing) / static_cast<double>(classes);
  const double on = 1.0 - smoothing + off;
  TensorF grad(logits->value.shape());
  const double sum = parallel_sum<double>(rows, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> log_p(static_cast<std::size_t>(classes));
    double part = 0.0;
    for (std::int64_t n = begin; n < end; ++n) {
      log_softmax(logits->value.data() + n * classes, classes, 1.0, log_p.data());
      for (std::int64_t c = 0; c < classes; ++c) {
        const double lp = log_p[static_cast<std::size_t>(c)];
        const double target = c == labels[static_cast<std::size_t>(n)] ? on : off;
        if (target != 0.0) part -= target * lp;
        grad[n * classes + c] =
            static_cast<float>((std::exp(lp) - target) / static_cast<double>(rows));
      }
    }
    return part;
  });
  return record_loss(tape, logits, sum / static_cast<double>(rows), std::move(grad));
}

Var kl_divergence(Tape& tape, const Var& logits, const TensorF& target_logits, float tau) {
  check_logits(logits->value);
  const std::int64_t rows = logits->value.dim(0), classes = logits->value.dim(1);
  check_same_shape(target_logits.shape(), logits->value.shape(), "target logits");
  INTANDEM_CHECK(tau > 0.0f, "temperature " + std::to_string(tau));
  const double t = tau;
  TensorF grad(logits->value.shape());
  const double sum = parallel_sum<double>(rows, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> log_p(static_cast<std::size_t>(classes)), log_q(log_p.size());
    double part = 0.0;
    for (std::int64_t n = begin; n < end; ++n) {
      log_softmax(target_logits.data() + n * classes, classes, t, log_p.data());
      log_softmax(logits->value.data() + n * classes, classes, t, log_q.data());
      for (std::int64_t c = 0; c < classes; ++c) {
        const double lp = log_p[static_cast<std::size_t>(c)];
        const double lq = log_q[static_cast<std::size_t>(c)];
        const double p = std::exp(lp);
        if (p != 0.0) part += p * (lp - lq);
        // τ²·(softmax(z/τ) − p)/τ
        grad[n * classes + c] =
            static_cast<float>(t * (std::exp(lq) - p) / static_cast<double>(rows));
      }
    }
    return part;
  });
  return record_loss(tape, logits, t * t * sum / static_cast<double>(rows), std::move(grad));
}

Var mse(Tape& tape, const Var& x, const TensorF& target) {
  check_same_shape(target.shape(), x->value.shape(), "target");
  const auto n = static_cast<double>(x->value.size());
  const float* a = x->value.data();
  const float* b = target.data();
  TensorF grad(x->value.shape());
  float* g = grad.data();
  const auto factor = static_cast<float>(2.0 / n);
  const double sum =
      parallel_sum<double>(x->value.size(), 1 << 15, [=](std::int64_t begin, std::int64_t end) {
        double part = 0.0;
        for (std::int64_t i = begin; i < end; ++i) {
          const float difference = a[i] - b[i];
          g[i] = factor * difference;
          part += static_cast<double>(difference) * difference;
        }
        return part;
      });
  return record_loss(tape, x, sum / n, std::move(grad));
}

}  // namespace intandem
