// Random operands of a convolution, the same in float and in double, and its three passes by plain
// loops.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "core/conv_shape.hpp"
#include "core/rng.hpp"
#include "nn/conv/ref.hpp"

namespace intandem {

/// Operands of the three passes, uniform in [−1, 1) or integers in [−3, 3], and room for their
/// results: y and dx are only written and begin as NaN, dw and db accumulate.
template <class T>
struct ConvProblem {
  explicit ConvProblem(const ConvShape& s, bool integers = false)
      : shape(s),
        x(values(s.N * s.H * s.W * s.C, 1, integers)),
        w(values(s.K * s.reduction(), 2, integers)),
        bias(values(s.K, 3, integers)),
        dy(values(s.N * s.P() * s.Q() * s.K, 4, integers)),
        y(dy.size(), std::numeric_limits<T>::quiet_NaN()),
        dx(x.size(), std::numeric_limits<T>::quiet_NaN()),
        dw(values(s.K * s.reduction(), 5, integers)),
        db(values(s.K, 6, integers)) {}

  static std::vector<T> values(std::int64_t n, std::uint64_t stream, bool integers) {
    const Rng rng = Rng(11).stream(stream);
    std::vector<T> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = integers ? static_cast<T>(rng.below(i, 7)) - T{3} : T{2} * rng.uniform(i) - T{1};
    }
    return v;
  }

  ConvShape shape;
  std::vector<T> x, w, bias, dy;
  std::vector<T> y, dx, dw, db;
};

inline ConvProblem<double> run_reference(const ConvShape& shape, bool integers = false) {
  ConvProblem<double> d(shape, integers);
  conv2d_forward_ref(shape, d.x.data(), d.w.data(), d.bias.data(), d.y.data());
  conv2d_backward_data_ref(shape, d.dy.data(), d.w.data(), d.dx.data());
  conv2d_backward_weights_ref(shape, d.x.data(), d.dy.data(), d.dw.data(), d.db.data());
  return d;
}

}  // namespace intandem
