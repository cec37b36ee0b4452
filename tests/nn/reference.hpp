// Double-precision forward loops of every operation, and the check of gradients against their
// central differences. Nothing here shares code with nn/.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "core/rng.hpp"
#include "nn/tape.hpp"

namespace intandem::reference {

struct Array {
  Shape shape;
  std::vector<double> v;

  explicit Array(const Shape& s) : shape(s), v(static_cast<std::size_t>(s.size()), 0.0) {}
  explicit Array(const TensorF& t) : shape(t.shape()), v(t.begin(), t.end()) {}
  std::int64_t channels() const { return shape[shape.rank() - 1]; }
  double& at(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    return v[static_cast<std::size_t>(((n * shape[1] + h) * shape[2] + w) * shape[3] + c)];
  }
  double at(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) const {
    return const_cast<Array*>(this)->at(n, h, w, c);
  }
  double& operator[](std::int64_t i) { return v[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return v[static_cast<std::size_t>(i)]; }
  std::int64_t size() const { return static_cast<std::int64_t>(v.size()); }
};

using Vars = std::vector<Var>;
using Arrays = std::vector<Array>;

/// b may be null. w [K][R][S][C/groups].
inline Array conv2d(const Array& x, const Array& w, const Array* b, std::int64_t stride,
                    std::int64_t pad) {
  const std::int64_t N = x.shape[0], H = x.shape[1], W = x.shape[2], C = w.shape[3];
  const std::int64_t groups = x.shape[3] / C;
  const std::int64_t K = w.shape[0], R = w.shape[1], S = w.shape[2];
  Array y({N, (H + 2 * pad - R) / stride + 1, (W + 2 * pad - S) / stride + 1, K});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t p = 0; p < y.shape[1]; ++p)
      for (std::int64_t q = 0; q < y.shape[2]; ++q)
        for (std::int64_t k = 0; k < K; ++k) {
          double sum = b == nullptr ? 0.0 : (*b)[k];
          for (std::int64_t r = 0; r < R; ++r)
            for (std::int64_t s = 0; s < S; ++s) {
              const std::int64_t h = p * stride + r - pad, u = q * stride + s - pad;
              if (h < 0 || h >= H || u < 0 || u >= W) continue;
              for (std::int64_t c = 0; c < C; ++c) {
                sum += x.at(n, h, u, k * groups / K * C + c) * w.at(k, r, s, c);
              }
            }
          y.at(n, p, q, k) = sum;
        }
  return y;
}

inline Array linear(const Array& x, const Array& w, const Array* b) {
  const std::int64_t N = x.shape[0], K = w.shape[0], C = w.shape[1];
  Array y({N, K});
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t k = 0; k < K; ++k) {
      double sum = b == nullptr ? 0.0 : (*b)[k];
      for (std::int64_t c = 0; c < C; ++c) sum += x[n * C + c] * w[k * C + c];
      y[n * K + k] = sum;
    }
  return y;
}

inline Array relu(Array x) {
  for (double& value : x.v) value = std::max(0.0, value);
  return x;
}

/// Mean and biased variance per channel, two passes.
inline std::pair<std::vector<double>, std::vector<double>> channel_moments(const Array& x) {
  const std::int64_t C = x.channels(), rows = x.size() / C;
  std::vector<double> mean(static_cast<std::size_t>(C)), var(mean.size());
  for (std::int64_t c = 0; c < C; ++c) {
    double& m = mean[static_cast<std::size_t>(c)];
    double& v = var[static_cast<std::size_t>(c)];
    for (std::int64_t i = 0; i < rows; ++i) m += x[i * C + c] / static_cast<double>(rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      v += (x[i * C + c] - m) * (x[i * C + c] - m) / static_cast<double>(rows);
    }
  }
  return {mean, var};
}

inline Array normalize(const Array& x, const Array& gamma, const Array& beta,
                       const std::vector<double>& mean, const std::vector<double>& var,
                       double epsilon) {
  Array y(x.shape);
  const std::int64_t C = x.channels();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<std::size_t>(i % C);
    y[i] = gamma.v[c] * (x[i] - mean[c]) / std::sqrt(var[c] + epsilon) + beta.v[c];
  }
  return y;
}

/// Pools every window with f(values of the window).
template <class F>
Array pool(const Array& x, std::int64_t kernel, std::int64_t stride, const F& f) {
  Array y({x.shape[0], (x.shape[1] - kernel) / stride + 1, (x.shape[2] - kernel) / stride + 1,
           x.shape[3]});
  for (std::int64_t n = 0; n < y.shape[0]; ++n)
    for (std::int64_t p = 0; p < y.shape[1]; ++p)
      for (std::int64_t q = 0; q < y.shape[2]; ++q)
        for (std::int64_t c = 0; c < y.shape[3]; ++c) {
          std::vector<double> window;
          for (std::int64_t r = 0; r < kernel; ++r)
            for (std::int64_t s = 0; s < kernel; ++s)
              window.push_back(x.at(n, p * stride + r, q * stride + s, c));
          y.at(n, p, q, c) = f(window);
        }
  return y;
}

inline Array max_pool(const Array& x, std::int64_t kernel, std::int64_t stride) {
  return pool(x, kernel, stride, [](const std::vector<double>& window) {
    return *std::max_element(window.begin(), window.end());
  });
}

inline Array avg_pool(const Array& x, std::int64_t kernel, std::int64_t stride) {
  return pool(x, kernel, stride, [](const std::vector<double>& window) {
    double sum = 0.0;
    for (const double value : window) sum += value;
    return sum / static_cast<double>(window.size());
  });
}

/// log softmax(z/τ), row by row; fit for moderate logits only.
inline Array log_softmax(const Array& z, double tau) {
  Array out(z.shape);
  const std::int64_t C = z.channels();
  for (std::int64_t n = 0; n < z.shape[0]; ++n) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < C; ++c) sum += std::exp(z[n * C + c] / tau);
    for (std::int64_t c = 0; c < C; ++c) out[n * C + c] = z[n * C + c] / tau - std::log(sum);
  }
  return out;
}

inline Array scalar(double value) {
  Array a(Shape{1});
  a[0] = value;
  return a;
}

// ---- the gradient check ----

/// Standard normal values.
inline TensorF random_tensor(const Shape& shape, std::uint64_t seed) {
  TensorF t(shape);
  const Rng rng(seed);
  for (std::int64_t i = 0; i < t.size(); ++i) t[i] = rng.normal(static_cast<std::uint64_t>(i));
  return t;
}

/// Σ weight·y as a one-element node: a loss that sees every output with its own weight.
inline Var probe(Tape& tape, const Var& y, const TensorF& weight) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < weight.size(); ++i) {
    sum += static_cast<double>(weight[i]) * y->value[i];
  }
  return tape.record(TensorF::full({1}, static_cast<float>(sum)), {y},
                     [y, weight](const Node& self) {
                       REQUIRE(self.grad[0] == 1.0f);
                       accumulate(y, weight.clone());
                     });
}

using Operation = std::function<Var(Tape&, const std::vector<Var>&)>;
using Reference = std::function<Array(const std::vector<Array>&)>;

/// Compares values and the gradient of every element of every input. Tolerances are relative to
/// the largest magnitude of the compared tensor.
inline void check_gradients(const std::vector<TensorF>& inputs, const Operation& operation,
                            const Reference& forward, double value_tolerance = 1e-5,
                            double gradient_tolerance = 1e-5) {
  Tape tape;
  std::vector<Var> vars;
  std::vector<Array> arrays;
  for (const TensorF& t : inputs) {
    vars.push_back(tape.input(t));
    arrays.emplace_back(t);
  }
  const Var y = operation(tape, vars);
  const Array expected = forward(arrays);
  REQUIRE(y->value.shape() == expected.shape);
  double scale = 1e-3;
  for (const double value : expected.v) scale = std::max(scale, std::abs(value));
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    INFO("output element " << i);
    REQUIRE(std::abs(y->value[i] - expected[i]) <= value_tolerance * scale);
  }

  const TensorF weight = random_tensor(y->value.shape(), 777);
  tape.backward(probe(tape, y, weight));
  const auto objective = [&]() {
    const Array out = forward(arrays);
    double sum = 0.0;
    for (std::int64_t i = 0; i < out.size(); ++i) sum += weight[i] * out[i];
    return sum;
  };
  constexpr double kStep = 1e-6;  // kinks closer than this to a sample are not met in practice
  for (std::size_t input = 0; input < inputs.size(); ++input) {
    REQUIRE(vars[input]->grad.shape() == inputs[input].shape());
    std::vector<double> numeric;
    for (double& value : arrays[input].v) {
      const double kept = value;
      value = kept + kStep;
      const double above = objective();
      value = kept - kStep;
      const double below = objective();
      value = kept;
      numeric.push_back((above - below) / (2.0 * kStep));
    }
    double magnitude = 1e-2;
    for (const double g : numeric) magnitude = std::max(magnitude, std::abs(g));
    for (std::size_t i = 0; i < numeric.size(); ++i) {
      INFO("input " << input << " element " << i << ": analytic "
                    << vars[input]->grad[static_cast<std::int64_t>(i)] << " numeric "
                    << numeric[i]);
      REQUIRE(std::abs(vars[input]->grad[static_cast<std::int64_t>(i)] - numeric[i]) <=
              gradient_tolerance * magnitude);
    }
  }
}

}  // namespace intandem::reference
