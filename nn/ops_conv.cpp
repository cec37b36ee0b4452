// Convolution and linear layers on the tape; the arithmetic is nn/conv/conv2d.hpp's.
#include <utility>

#include "core/profile.hpp"
#include "nn/conv/conv2d.hpp"
#include "nn/conv/passes.hpp"
#include "nn/conv/winograd/winograd.hpp"
#include "nn/ops.hpp"

namespace intandem {
namespace {

void check_bias(const Var& b, std::int64_t K) {
  if (b) check_same_shape(b->value.shape(), Shape{K}, "bias");
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
  const bool winograd = winograd_in_use();
  {
    const ProfileScope scope("forward", flop, bytes(x->value, w->value, y));
    forward_pass(shape, winograd, x->value.data(), w->value.data(), b ? b->value.data() : nullptr,
                 y.data());
  }
  return tape.record(std::move(y), {x, w, b}, [shape, flop, winograd, x, w, b](const Node& self) {
    const bool bias_grad = b && b->needs_grad;
    if (w->needs_grad) {
      float* db = bias_grad ? gradient_storage(b).data() : nullptr;
      const ProfileScope scope("weight gradient", flop,
                               bytes(x->value, self.grad, w->value) + bytes(w->value, {}, {}));
      weight_gradient_pass(shape, winograd, x->value.data(), self.grad.data(),
                           gradient_storage(w).data(), db);
    } else if (bias_grad) {
      conv2d_backward_bias(shape, self.grad.data(), gradient_storage(b).data());
    }
    if (x->needs_grad) {
      TensorF dx(x->value.shape());
      {
        const ProfileScope scope("data gradient", flop, bytes(self.grad, w->value, dx));
        data_gradient_pass(shape, winograd, self.grad.data(), w->value.data(), dx.data());
      }
      accumulate(x, std::move(dx));
    }
  });
}

}  // namespace

Var conv2d(Tape& tape, const Var& x, const Var& w, const Var& b, std::int64_t stride,
           std::int64_t pad, std::int64_t groups) {
  const Shape& in = x->value.shape();
  const Shape& kernel = w->value.shape();
  INTANDEM_CHECK(in.rank() == 4 && kernel.rank() == 4 && in[3] == groups * kernel[3],
                 "convolution of " + in.str() + " with weights " + kernel.str() + " in " +
                     std::to_string(groups) + " groups");
  const ConvShape shape{in[0],     in[1],     in[2],  in[3], kernel[0],
                        kernel[1], kernel[2], stride, pad,   groups};
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
