// Convolution and its gradients in plain loops: the definition, and with T = double the oracle that
// the fast kernels and the gradient checks are compared with.
#pragma once

#include <cstdint>

#include "core/conv_shape.hpp"

namespace intandem {

/// Calls f(n, p, q, k, r, s, c, h, w) for every product of the convolution, h = p·stride + r − pad
/// and w = q·stride + s − pad being inside the image (outside, x is zero). c counts the channels of
/// the filter: those of the group of output channel k.
template <class F>
void for_each_product(const ConvShape& shape, const F& f) {
  for (std::int64_t n = 0; n < shape.N; ++n)
    for (std::int64_t p = 0; p < shape.P(); ++p)
      for (std::int64_t q = 0; q < shape.Q(); ++q)
        for (std::int64_t k = 0; k < shape.K; ++k)
          for (std::int64_t r = 0; r < shape.R; ++r)
            for (std::int64_t s = 0; s < shape.S; ++s) {
              const std::int64_t h = p * shape.stride + r - shape.pad;
              const std::int64_t w = q * shape.stride + s - shape.pad;
              if (h < 0 || h >= shape.H || w < 0 || w >= shape.W) continue;
              for (std::int64_t c = 0; c < shape.group_C(); ++c) f(n, p, q, k, r, s, c, h, w);
            }
}

/// Positions in x [N][H][W][C], w [K][R][S][C/groups] and y [N][P][Q][K]; c counts the channels of
/// output channel k's group.
struct ConvIndex {
  explicit ConvIndex(const ConvShape& s) : shape(s) {}
  std::int64_t x(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t k,
                 std::int64_t c) const {
    return ((n * shape.H + h) * shape.W + w) * shape.C + shape.first_channel(k) + c;
  }
  std::int64_t w(std::int64_t k, std::int64_t r, std::int64_t s, std::int64_t c) const {
    return ((k * shape.R + r) * shape.S + s) * shape.group_C() + c;
  }
  std::int64_t y(std::int64_t n, std::int64_t p, std::int64_t q, std::int64_t k) const {
    return ((n * shape.P() + p) * shape.Q() + q) * shape.K + k;
  }
  ConvShape shape;
};

/// y[n,p,q,k] = bias[k] + Σ_{r,s,c} w[k,r,s,c]·x[n,h,w,c]; bias may be null.
template <class T>
void conv2d_forward_ref(const ConvShape& shape, const T* x, const T* weight, const T* bias, T* y) {
  const ConvIndex at(shape);
  const std::int64_t outputs = shape.N * shape.P() * shape.Q() * shape.K;
  for (std::int64_t i = 0; i < outputs; ++i) y[i] = bias != nullptr ? bias[i % shape.K] : T{0};
  for_each_product(shape,
                   [&](auto n, auto p, auto q, auto k, auto r, auto s, auto c, auto h, auto w) {
                     y[at.y(n, p, q, k)] += weight[at.w(k, r, s, c)] * x[at.x(n, h, w, k, c)];
                   });
}

/// dx[n,h,w,c] = Σ over the products that used x[n,h,w,c] of w[k,r,s,c]·dy[n,p,q,k].
template <class T>
void conv2d_backward_data_ref(const ConvShape& shape, const T* dy, const T* weight, T* dx) {
  const ConvIndex at(shape);
  for (std::int64_t i = 0; i < shape.N * shape.H * shape.W * shape.C; ++i) dx[i] = T{0};
  for_each_product(shape,
                   [&](auto n, auto p, auto q, auto k, auto r, auto s, auto c, auto h, auto w) {
                     dx[at.x(n, h, w, k, c)] += weight[at.w(k, r, s, c)] * dy[at.y(n, p, q, k)];
                   });
}

/// dw[k,r,s,c] += Σ_{n,p,q} x[n,h,w,c]·dy[n,p,q,k];  db[k] += Σ_{n,p,q} dy[n,p,q,k] unless null.
template <class T>
void conv2d_backward_weights_ref(const ConvShape& shape, const T* x, const T* dy, T* dw, T* db) {
  const ConvIndex at(shape);
  for_each_product(shape,
                   [&](auto n, auto p, auto q, auto k, auto r, auto s, auto c, auto h, auto w) {
                     dw[at.w(k, r, s, c)] += x[at.x(n, h, w, k, c)] * dy[at.y(n, p, q, k)];
                   });
  if (db == nullptr) return;
  const std::int64_t outputs = shape.N * shape.P() * shape.Q() * shape.K;
  for (std::int64_t i = 0; i < outputs; ++i) db[i % shape.K] += dy[i];
}

}  // namespace intandem
