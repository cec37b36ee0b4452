// Max- and average-pooling on the tape.
#include <algorithm>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/elementwise/kernels.hpp"
#include "nn/ops.hpp"
#include "nn/pool_shape.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kChunk = 1 << 14;

std::int64_t grain(std::int64_t row_size) { return std::max<std::int64_t>(1, kChunk / row_size); }

double bytes(const TensorF& x, const TensorF& y) {
  return static_cast<double>(x.size_bytes() + y.size_bytes());
}

void average_row(const PoolShape& s, const float* x, float* y) {
  const float factor = 1.0f / static_cast<float>(s.kernel * s.kernel);
  for (std::int64_t q = 0; q < s.Q; ++q, y += s.C) {
    const float* window = x + q * s.stride * s.C;
    std::fill(y, y + s.C, 0.0f);
    for (std::int64_t r = 0; r < s.kernel; ++r) {
      for (std::int64_t t = 0; t < s.kernel; ++t) {
        const float* pixel = window + (r * s.W + t) * s.C;
        for (std::int64_t c = 0; c < s.C; ++c) y[c] += pixel[c];
      }
    }
    for (std::int64_t c = 0; c < s.C; ++c) y[c] *= factor;
  }
}

void average_backward_image(const PoolShape& s, const float* dy, float* dx) {
  const float factor = 1.0f / static_cast<float>(s.kernel * s.kernel);
  std::fill(dx, dx + s.H * s.W * s.C, 0.0f);
  for (std::int64_t p = 0; p < s.P; ++p) {
    for (std::int64_t q = 0; q < s.Q; ++q, dy += s.C) {
      for (std::int64_t r = 0; r < s.kernel; ++r) {
        for (std::int64_t t = 0; t < s.kernel; ++t) {
          float* pixel = dx + ((p * s.stride + r) * s.W + q * s.stride + t) * s.C;
          for (std::int64_t c = 0; c < s.C; ++c) pixel[c] += factor * dy[c];
        }
      }
    }
  }
}

}  // namespace

void max_pool_backward(const PoolShape& s, std::int64_t N, const float* dy,
                       const std::uint8_t* places, float* dx) {
  const ElementwiseKernels& kernels = elementwise_kernels();
  const std::int64_t image = s.P * s.Q * s.C, row = s.W * s.C;
  parallel_for(N * s.H, grain(row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / s.H;
      kernels.max_pool_backward_row(s, i % s.H, dy + n * image, places + n * image, dx + i * row);
    }
  });
}

Var max_pool(Tape& tape, const Var& x, std::int64_t kernel, std::int64_t stride) {
  const PoolShape s = pool_shape(x->value.shape(), kernel, stride);
  const std::int64_t N = x->value.dim(0);
  const ElementwiseKernels& kernels = elementwise_kernels();
  TensorF y({N, s.P, s.Q, s.C});
  const ProfileScope scope("pool", 0, bytes(x->value, y));
  TensorU8 argmax;
  if (x->needs_grad) argmax = TensorU8(y.shape());
  const float* xp = x->value.data();
  float* yp = y.data();
  std::uint8_t* chosen = argmax.data();
  const std::int64_t out_row = s.Q * s.C;
  parallel_for(N * s.P, grain(out_row), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / s.P, p = i % s.P;
      kernels.max_pool_row(s, xp + (n * s.H + p * s.stride) * s.W * s.C, yp + i * out_row,
                           chosen == nullptr ? nullptr : chosen + i * out_row);
    }
  });
  return tape.record(std::move(y), {x}, [s, N, x, argmax](const Node& self) {
    TensorF dx(x->value.shape());
    const ProfileScope backward_scope("pool backward", 0, bytes(dx, self.grad));
    max_pool_backward(s, N, self.grad.data(), argmax.data(), dx.data());
    accumulate(x, std::move(dx));
  });
}

Var avg_pool(Tape& tape, const Var& x, std::int64_t kernel, std::int64_t stride) {
  const PoolShape s = pool_shape(x->value.shape(), kernel, stride);
  const std::int64_t N = x->value.dim(0);
  TensorF y({N, s.P, s.Q, s.C});
  const ProfileScope scope("pool", 0, bytes(x->value, y));
  const float* xp = x->value.data();
  float* yp = y.data();
  parallel_for(N * s.P, grain(s.Q * s.C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / s.P, p = i % s.P;
      average_row(s, xp + (n * s.H + p * s.stride) * s.W * s.C, yp + i * s.Q * s.C);
    }
  });
  return tape.record(std::move(y), {x}, [s, N, x](const Node& self) {
    TensorF dx(x->value.shape());
    const ProfileScope backward_scope("pool backward", 0, bytes(dx, self.grad));
    float* out = dx.data();
    const float* dy = self.grad.data();
    parallel_for(N, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        average_backward_image(s, dy + n * s.P * s.Q * s.C, out + n * s.H * s.W * s.C);
      }
    });
    accumulate(x, std::move(dx));
  });
}

Var global_avg_pool(Tape& tape, const Var& x) {
  const Shape& in = x->value.shape();
  INTANDEM_CHECK(in.rank() == 4, "global pooling of " + in.str());
  const std::int64_t N = in[0], pixels = in[1] * in[2], C = in[3];
  const float factor = 1.0f / static_cast<float>(pixels);
  TensorF y = TensorF::zeros({N, 1, 1, C});
  const ProfileScope scope("pool", 0, bytes(x->value, y));
  const float* xp = x->value.data();
  float* yp = y.data();
  parallel_for(N, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      float* mean = yp + n * C;
      for (std::int64_t i = 0; i < pixels; ++i) {
        for (std::int64_t c = 0; c < C; ++c) mean[c] += xp[(n * pixels + i) * C + c];
      }
      for (std::int64_t c = 0; c < C; ++c) mean[c] *= factor;
    }
  });
  return tape.record(std::move(y), {x}, [N, pixels, C, factor, x](const Node& self) {
    TensorF dx(x->value.shape());
    const ProfileScope backward_scope("pool backward", 0, bytes(dx, self.grad));
    float* out = dx.data();
    const float* dy = self.grad.data();
    parallel_for(N * pixels, grain(C), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t c = 0; c < C; ++c) out[i * C + c] = factor * dy[i / pixels * C + c];
      }
    });
    accumulate(x, std::move(dx));
  });
}

}  // namespace intandem
