// Reference kernels: plain loops, any CPU. The other instruction sets are tested against these.
#include <algorithm>
#include <vector>

#include "nn/elementwise/kernels.hpp"

namespace intandem {
namespace {

void moments(std::int64_t rows, std::int64_t C, const float* x, double* sum, double* sum_sq) {
  std::fill(sum, sum + C, 0.0);
  std::fill(sum_sq, sum_sq + C, 0.0);
  for (std::int64_t row = 0; row < rows; ++row, x += C) {
    for (std::int64_t c = 0; c < C; ++c) {
      const double value = x[c];
      sum[c] += value;
      sum_sq[c] += value * value;
    }
  }
}

// Written so that NaN survives: a diverged network must not look like a dead one.
float relu(float y) { return y < 0.0f ? 0.0f : y; }

void affine(std::int64_t rows, std::int64_t C, const float* x, const float* a, const float* b,
            bool with_relu, float* y) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, y += C) {
    if (with_relu) {
      for (std::int64_t c = 0; c < C; ++c) y[c] = relu(a[c] * x[c] + b[c]);
    } else {
      for (std::int64_t c = 0; c < C; ++c) y[c] = a[c] * x[c] + b[c];
    }
  }
}

float masked(float x, float dy, float a, float b, bool with_relu) {
  return !with_relu || a * x + b > 0.0f ? dy : 0.0f;
}

void affine_moments(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                    const float* a, const float* b, bool with_relu, double* sum, double* sum_x) {
  std::fill(sum, sum + C, 0.0);
  std::fill(sum_x, sum_x + C, 0.0);
  for (std::int64_t row = 0; row < rows; ++row, x += C, dy += C) {
    for (std::int64_t c = 0; c < C; ++c) {
      const double g = masked(x[c], dy[c], a[c], b[c], with_relu);
      sum[c] += g;
      sum_x[c] += g * x[c];
    }
  }
}

void affine_backward(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                     const float* a, const float* b, bool with_relu, const float* p, const float* q,
                     const float* r, float* dx) {
  for (std::int64_t row = 0; row < rows; ++row, x += C, dy += C, dx += C) {
    for (std::int64_t c = 0; c < C; ++c) {
      const float g = masked(x[c], dy[c], a[c], b[c], with_relu);
      dx[c] = p[c] * g + (q[c] * x[c] + r[c]);
    }
  }
}

void max_pool_row(const PoolShape& shape, const float* x, float* y, std::uint8_t* argmax) {
  const std::int64_t C = shape.C;
  for (std::int64_t q = 0; q < shape.Q; ++q) {
    for (std::int64_t c = 0; c < C; ++c) {
      const float* window = x + q * shape.stride * C + c;
      float best = *window;
      std::int64_t best_index = 0;
      for (std::int64_t r = 0; r < shape.kernel; ++r) {
        for (std::int64_t s = 0; s < shape.kernel; ++s) {
          const float value = window[(r * shape.W + s) * C];
          if (value > best) {
            best = value;
            best_index = r * shape.kernel + s;
          }
        }
      }
      y[q * C + c] = best;
      if (argmax != nullptr) argmax[q * C + c] = static_cast<std::uint8_t>(best_index);
    }
  }
}

// A gather: every input pixel asks the windows that cover it whether they chose it. Rows are
// independent of each other and dx is written once, whether or not the windows overlap.
void max_pool_backward_row(const PoolShape& shape, std::int64_t h, const float* dy,
                           const std::uint8_t* argmax, float* dx) {
  const std::int64_t C = shape.C, kernel = shape.kernel, stride = shape.stride;
  std::fill(dx, dx + shape.W * C, 0.0f);
  for (std::int64_t p = 0; p < shape.P; ++p) {
    const std::int64_t r = h - p * stride;
    if (r < 0 || r >= kernel) continue;
    for (std::int64_t q = 0; q < shape.Q; ++q) {
      for (std::int64_t s = 0; s < kernel; ++s) {
        const std::int64_t out = (p * shape.Q + q) * C;
        for (std::int64_t c = 0; c < C; ++c) {
          if (argmax[out + c] == r * kernel + s) dx[(q * stride + s) * C + c] += dy[out + c];
        }
      }
    }
  }
}

void affine_pool_row(const PoolShape& shape, const float* x, const float* a, const float* b,
                     bool with_relu, float* y, float* chosen_x, std::uint8_t* argmax) {
  const std::int64_t C = shape.C;
  for (std::int64_t q = 0; q < shape.Q; ++q) {
    for (std::int64_t c = 0; c < C; ++c) {
      const float* window = x + q * shape.stride * C + c;
      float best = 0.0f, best_x = 0.0f;
      std::int64_t best_index = 0;
      for (std::int64_t r = 0; r < shape.kernel; ++r) {
        for (std::int64_t s = 0; s < shape.kernel; ++s) {
          const float from = window[(r * shape.W + s) * C];
          float value = a[c] * from + b[c];
          if (with_relu) value = relu(value);
          const std::int64_t index = r * shape.kernel + s;
          if (index == 0 || value > best) {
            best = value;
            best_x = from;
            best_index = index;
          }
        }
      }
      y[q * C + c] = best;
      if (chosen_x != nullptr) chosen_x[q * C + c] = best_x;
      if (argmax != nullptr) argmax[q * C + c] = static_cast<std::uint8_t>(best_index);
    }
  }
}

void affine_pool_backward_row(const PoolShape& shape, std::int64_t h, const float* dy,
                              const std::uint8_t* argmax, const float* x, const float* a,
                              const float* b, bool with_relu, const float* p, const float* q,
                              const float* r, float* dx) {
  std::vector<float> g(static_cast<std::size_t>(shape.W * shape.C));  // dx may be x
  max_pool_backward_row(shape, h, dy, argmax, g.data());
  affine_backward(shape.W, shape.C, x, g.data(), a, b, with_relu, p, q, r, dx);
}

void sgd(std::int64_t n, const SgdCoefficients& k, const float* g, float* v, float* w) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float gradient = k.grad_scale * g[i] + k.decay * w[i];
    v[i] = k.momentum * v[i] + gradient;
    w[i] -= k.lr * (k.nesterov ? gradient + k.momentum * v[i] : v[i]);
  }
}

}  // namespace

const ElementwiseKernels kElementwiseRef = {
    moments,
    affine,
    affine_moments,
    affine_backward,
    max_pool_row,
    max_pool_backward_row,
    affine_pool_row,
    affine_pool_backward_row,
    sgd,
};

}  // namespace intandem
