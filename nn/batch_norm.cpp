// Batch normalization with an optional ReLU and max-pool: two passes over memory forward
// (statistics, apply) and two backward (sums, apply). The ReLU mask is recomputed from x, not
// stored.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/elementwise/kernels.hpp"
#include "nn/ops.hpp"
#include "nn/pool_shape.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kChunk = 1 << 15;  // elements: 128 KiB per operand stay in the L2 cache

std::int64_t chunk_rows(std::int64_t C) { return std::max<std::int64_t>(1, kChunk / C); }

// Two sums per channel, added over fixed chunks in chunk order.
struct ChannelSums {
  std::vector<double> first, second;
};

template <class F>  // F(begin_row, end_row, first, second) overwrites the sums of its rows
ChannelSums sum_channels(std::int64_t rows, std::int64_t C, const F& f) {
  const std::int64_t grain = chunk_rows(C);
  const std::int64_t chunks = (rows + grain - 1) / grain;
  Tensor<double> partial({chunks, 2, C});
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    double* out = partial.data() + begin / grain * 2 * C;
    f(begin, end, out, out + C);
  });
  ChannelSums sums;
  sums.first.assign(static_cast<std::size_t>(C), 0.0);
  sums.second.assign(static_cast<std::size_t>(C), 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const double* in = partial.data() + chunk * 2 * C;
    for (std::int64_t c = 0; c < C; ++c) sums.first[static_cast<std::size_t>(c)] += in[c];
    for (std::int64_t c = 0; c < C; ++c) sums.second[static_cast<std::size_t>(c)] += in[C + c];
  }
  return sums;
}

/// Adds those of the other shards, and their rows to `count`.
void add_other_shards(Communicator* shards, ChannelSums& sums, double* count) {
  if (shards == nullptr || shards->size() == 1) return;
  std::vector<double> all = sums.first;
  all.insert(all.end(), sums.second.begin(), sums.second.end());
  if (count != nullptr) all.push_back(*count);
  shards->all_reduce_sum(std::span<double>(all));
  const auto C = static_cast<std::ptrdiff_t>(sums.first.size());
  std::copy(all.begin(), all.begin() + C, sums.first.begin());
  std::copy(all.begin() + C, all.begin() + 2 * C, sums.second.begin());
  if (count != nullptr) *count = all.back();
}

// What one application needs again in the backward pass: y = a·x + b, x̂ = (x − mean)·inv_std.
struct Saved {
  std::int64_t rows = 0, C = 0;
  double count = 0;                ///< rows the statistics are of, those of other shards included
  Communicator* shards = nullptr;  ///< who has the others
  bool training = false, relu = false;
  TensorF mean, inv_std, a, b;
};

void batch_statistics(const TensorF& x, Saved& s, BatchNormState& state, TensorF& mean,
                      TensorF& var) {
  const ElementwiseKernels& kernels = elementwise_kernels();
  ChannelSums sums =
      sum_channels(s.rows, s.C, [&](std::int64_t begin, std::int64_t end, double* s1, double* s2) {
        kernels.moments(end - begin, s.C, x.data() + begin * s.C, s1, s2);
      });
  add_other_shards(s.shards, sums, &s.count);
  const double n = s.count;
  for (std::int64_t c = 0; c < s.C; ++c) {
    const double m = sums.first[static_cast<std::size_t>(c)] / n;
    const double v = std::max(0.0, sums.second[static_cast<std::size_t>(c)] / n - m * m);
    mean[c] = static_cast<float>(m);
    var[c] = static_cast<float>(v);
    if (n < 2.0) continue;  // one value has no variance: the running estimates stay
    const double k = state.momentum;
    state.running_mean[c] = static_cast<float>((1.0 - k) * state.running_mean[c] + k * m);
    state.running_var[c] =
        static_cast<float>((1.0 - k) * state.running_var[c] + k * v * n / (n - 1.0));
  }
}

Saved prepare(const TensorF& x, const TensorF& gamma, const TensorF& beta, BatchNormState& state,
              bool training, bool relu) {
  Saved s;
  s.C = x.dim(x.rank() - 1);
  s.rows = x.size() / s.C;
  s.count = static_cast<double>(s.rows);
  s.shards = training ? state.shards : nullptr;
  s.training = training;
  s.relu = relu;
  for (TensorF* t : {&s.mean, &s.inv_std, &s.a, &s.b}) *t = TensorF(Shape{s.C});
  TensorF var(Shape{s.C});
  if (training) {
    batch_statistics(x, s, state, s.mean, var);
  } else {
    s.mean = state.running_mean.clone();
    var = state.running_var;
  }
  for (std::int64_t c = 0; c < s.C; ++c) {
    const double inv = 1.0 / std::sqrt(static_cast<double>(var[c]) + state.epsilon);
    const double slope = gamma[c] * inv;
    s.inv_std[c] = static_cast<float>(inv);
    s.a[c] = static_cast<float>(slope);
    s.b[c] = static_cast<float>(beta[c] - slope * s.mean[c]);
  }
  return s;
}

// dx = a·(g − Σg/M − x̂·Σ(g·x̂)/M) with batch statistics over M rows, dx = a·g without: both are
// p·g + q·x + r with p = a. dL/dgamma = Σ g·x̂ and dL/dbeta = Σ g.
struct InputGradient {
  TensorF q, r;
};

// x and dy [rows][C] hold every element with a gradient: the activation, or after pooling the
// values that were chosen.
InputGradient parameter_gradients(const Saved& s, std::int64_t rows, const float* x,
                                  const float* dy, const Var& gamma, const Var& beta) {
  const std::int64_t C = s.C;
  InputGradient out{TensorF::zeros(Shape{C}), TensorF::zeros(Shape{C})};
  if (!s.training && !gamma->needs_grad && !beta->needs_grad) return out;
  const ElementwiseKernels& kernels = elementwise_kernels();
  const ChannelSums sums =
      sum_channels(rows, C, [&](std::int64_t begin, std::int64_t end, double* s1, double* s2) {
        kernels.affine_moments(end - begin, C, x + begin * C, dy + begin * C, s.a.data(),
                               s.b.data(), s.relu, s1, s2);
      });
  const auto sum_gx = [&](const ChannelSums& of, std::int64_t c) {
    const auto at = static_cast<std::size_t>(c);
    return (of.second[at] - static_cast<double>(s.mean[c]) * of.first[at]) *
           static_cast<double>(s.inv_std[c]);
  };
  // gamma's and beta's gradients are summed over shards with all others; dx needs the sums now.
  TensorF dgamma(Shape{C}), dbeta(Shape{C});
  for (std::int64_t c = 0; c < C; ++c) {
    dgamma[c] = static_cast<float>(sum_gx(sums, c));
    dbeta[c] = static_cast<float>(sums.first[static_cast<std::size_t>(c)]);
  }
  accumulate(gamma, std::move(dgamma));
  accumulate(beta, std::move(dbeta));
  if (!s.training) return out;
  ChannelSums all = sums;
  add_other_shards(s.shards, all, nullptr);
  for (std::int64_t c = 0; c < C; ++c) {
    const double mean = s.mean[c], inv = s.inv_std[c], slope = s.a[c];
    const double per_x = -slope * inv * sum_gx(all, c) / s.count;
    out.q[c] = static_cast<float>(per_x);
    out.r[c] = static_cast<float>(-slope * all.first[static_cast<std::size_t>(c)] / s.count -
                                  per_x * mean);
  }
  return out;
}

double bytes(double tensors, const TensorF& t) {
  return tensors * static_cast<double>(t.size_bytes());
}

void backward(const Saved& s, const Var& x, const Var& gamma, const Var& beta, const TensorF& dy) {
  const ProfileScope scope("batch norm backward", 0, bytes(5, dy));
  const float* xp = x->value.data();
  const float* g = dy.data();
  const InputGradient k = parameter_gradients(s, s.rows, xp, g, gamma, beta);
  if (!x->needs_grad) return;

  const ElementwiseKernels& kernels = elementwise_kernels();
  TensorF dx = spent_storage(x);
  float* out = dx.data();
  const bool plain = !s.training && !s.relu;  // dx = a·dy: x need not be read
  parallel_for(s.rows, chunk_rows(s.C), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t at = begin * s.C;
    if (plain) {
      kernels.affine(end - begin, s.C, g + at, s.a.data(), k.r.data(), false, out + at);
    } else {
      kernels.affine_backward(end - begin, s.C, xp + at, g + at, s.a.data(), s.b.data(), s.relu,
                              s.a.data(), k.q.data(), k.r.data(), out + at);
    }
  });
  accumulate(x, std::move(dx));
}

// chosen_x and argmax: what affine_pool_row stored.
void backward_pooled(const Saved& s, const PoolShape& pool, const Var& x, const Var& gamma,
                     const Var& beta, const TensorF& chosen_x, const TensorU8& argmax,
                     const TensorF& dy) {
  const ProfileScope scope("batch norm, pool backward", 0, bytes(2, x->value) + bytes(3.25, dy));
  const InputGradient k =
      parameter_gradients(s, dy.size() / s.C, chosen_x.data(), dy.data(), gamma, beta);
  if (!x->needs_grad) return;

  const ElementwiseKernels& kernels = elementwise_kernels();
  TensorF dx = spent_storage(x);
  const float* xp = x->value.data();
  float* out = dx.data();
  const std::int64_t row = pool.W * pool.C, image = pool.P * pool.Q * pool.C;
  parallel_for(
      x->value.dim(0) * pool.H, chunk_rows(row), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t n = i / pool.H;
          kernels.affine_pool_backward_row(
              pool, i % pool.H, dy.data() + n * image, argmax.data() + n * image, xp + i * row,
              s.a.data(), s.b.data(), s.relu, s.a.data(), k.q.data(), k.r.data(), out + i * row);
        }
      });
  accumulate(x, std::move(dx));
}

void check_operands(const TensorF& x, const Var& gamma, const Var& beta,
                    const BatchNormState& state) {
  INTANDEM_CHECK(x.rank() >= 2 && x.size() > 0, "batch norm of shape " + x.shape().str());
  const Shape channels{x.dim(x.rank() - 1)};
  check_same_shape(gamma->value.shape(), channels, "gamma");
  check_same_shape(beta->value.shape(), channels, "beta");
  check_same_shape(state.running_mean.shape(), channels, "running mean");
  check_same_shape(state.running_var.shape(), channels, "running variance");
}

}  // namespace

Var batch_norm(Tape& tape, const Var& x, const Var& gamma, const Var& beta, BatchNormState& state,
               bool training, bool relu) {
  const TensorF& in = x->value;
  check_operands(in, gamma, beta, state);
  const ProfileScope scope("batch norm", 0, bytes(training ? 3 : 2, in));
  const Saved s = prepare(in, gamma->value, beta->value, state, training, relu);
  TensorF y(in.shape());
  const float* xp = in.data();
  float* yp = y.data();
  const ElementwiseKernels& kernels = elementwise_kernels();
  parallel_for(s.rows, chunk_rows(s.C), [&](std::int64_t begin, std::int64_t end) {
    kernels.affine(end - begin, s.C, xp + begin * s.C, s.a.data(), s.b.data(), relu,
                   yp + begin * s.C);
  });
  return tape.record(std::move(y), {x, gamma, beta}, [s, x, gamma, beta](const Node& self) {
    backward(s, x, gamma, beta, self.grad);
  });
}

Var batch_norm_pool(Tape& tape, const Var& x, const Var& gamma, const Var& beta,
                    BatchNormState& state, bool training, bool relu, std::int64_t kernel,
                    std::int64_t stride) {
  const TensorF& in = x->value;
  check_operands(in, gamma, beta, state);
  const PoolShape pool = pool_shape(in.shape(), kernel, stride);
  TensorF y({in.dim(0), pool.P, pool.Q, pool.C});
  const ProfileScope scope("batch norm, pool", 0, bytes(training ? 2 : 1, in) + bytes(2.25, y));
  const Saved s = prepare(in, gamma->value, beta->value, state, training, relu);
  TensorF chosen_x;
  TensorU8 argmax;
  if (x->needs_grad || gamma->needs_grad || beta->needs_grad) {
    chosen_x = TensorF(y.shape());
    argmax = TensorU8(y.shape());
  }
  const ElementwiseKernels& kernels = elementwise_kernels();
  const float* xp = in.data();
  float* yp = y.data();
  float* chosen = chosen_x.data();
  std::uint8_t* place = argmax.data();
  const std::int64_t in_row = pool.W * pool.C, out_row = pool.Q * pool.C;
  parallel_for(in.dim(0) * pool.P, chunk_rows(in_row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / pool.P, p = i % pool.P, at = i * out_row;
      kernels.affine_pool_row(pool, xp + (n * pool.H + p * stride) * in_row, s.a.data(), s.b.data(),
                              relu, yp + at, chosen == nullptr ? nullptr : chosen + at,
                              place == nullptr ? nullptr : place + at);
    }
  });
  return tape.record(std::move(y), {x, gamma, beta},
                     [s, pool, x, gamma, beta, chosen_x, argmax](const Node& self) {
                       backward_pooled(s, pool, x, gamma, beta, chosen_x, argmax, self.grad);
                     });
}

}  // namespace intandem
