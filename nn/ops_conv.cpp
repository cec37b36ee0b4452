// Convolution and linear layers on the tape; the arithmetic is nn/conv2d_kernels.hpp's.
#include <algorithm>
#include <utility>

#include "core/parallel.hpp"
#include "core/profile.hpp"
#include "nn/conv2d_kernels.hpp"
#include "nn/ops.hpp"

namespace intandem {
namespace {

void check_bias(const Var& b, std::int64_t K) {
  if (b) check_same_shape(b->value.shape(), Shape{K}, "bias");
}

// The gradient of the bias alone: Σ over rows of dy [rows][K], for layers with frozen weights.
void add_column_sums(const TensorF& dy, std::int64_t K, TensorF& db) {
  const float* g = dy.data();
  float* out = db.data();
  const std::int64_t rows = dy.size() / K;
  parallel_for(K, 16, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      double sum = 0.0;
      for (std::int64_t row = 0; row < rows; ++row) sum += g[row * K + k];
      out[k] += static_cast<float>(sum);
    }
  });
}

double bytes(const TensorF& a, const TensorF& b, const TensorF& c) {
  return static_cast<double>(a.size_bytes() + b.size_bytes() + c.size_bytes());
}

Var record_product(Tape& tape, const ConvShape& shape, const Shape& y_shape, const Var& x,
                   const Var& w, const Var& b) {
  shape.check();
  check_bias(b, shape.K);
  TensorF y(y_shape);
  const double flop = 2.0 * static_cast<double>(shape.macs());
  {
    const ProfileScope scope("forward", flop, bytes(x->value, w->value, y));
    conv2d_forward(shape, x->value.data(), w->value.data(), b ? b->value.data() : nullptr,
                   y.data());
  }
  return tape.record(std::move(y), {x, w, b}, [shape, flop, x, w, b](const Node& self) {
    const bool bias_grad = b && b->needs_grad;
    if (w->needs_grad) {
      float* db = bias_grad ? gradient_storage(b).data() : nullptr;
      const ProfileScope scope("weight gradient", flop,
                               bytes(x->value, self.grad, w->value) + bytes(w->value, {}, {}));
      conv2d_backward_weights(shape, x->value.data(), self.grad.data(), gradient_storage(w).data(),
                              db);
    } else if (bias_grad) {
      add_column_sums(self.grad, shape.K, gradient_storage(b));
    }
    if (x->needs_grad) {
      TensorF dx(x->value.shape());
      {
        const ProfileScope scope("data gradient", flop, bytes(self.grad, w->value, dx));
        conv2d_backward_data(shape, self.grad.data(), w->value.data(), dx.data());
      }
      accumulate(x, std::move(dx));
    }
  });
}

}  // namespace

Var conv2d(Tape& tape, const Var& x, const Var& w, const Var& b, std::int64_t stride,
           std::int64_t pad) {
  const Shape& in = x->value.shape();
  const Shape& kernel = w->value.shape();
  INTANDEM_CHECK(in.rank() == 4 && kernel.rank() == 4 && in[3] == kernel[3],
                 "convolution of " + in.str() + " with weights " + kernel.str());
  const ConvShape shape{in[0], in[1], in[2], in[3], kernel[0], kernel[1], kernel[2], stride, pad};
  shape.check();
  return record_product(tape, shape, {shape.N, shape.P(), shape.Q(), shape.K}, x, w, b);
}

Var linear(Tape& tape, const Var& x, const Var& w, const Var& b) {
  const Shape& in = x->value.shape();
  const Shape& matrix = w->value.shape();
  INTANDEM_CHECK(in.rank() >= 1 && matrix.rank() == 2 && in.size() == in[0] * matrix[1],
                 "linear layer of " + in.str() + " with weights " + matrix.str());
  ConvShape shape;
  shape.N = in[0];
  shape.C = matrix[1];
  shape.K = matrix[0];
  return record_product(tape, shape, {shape.N, shape.K}, x, w, b);
}

}  // namespace intandem
