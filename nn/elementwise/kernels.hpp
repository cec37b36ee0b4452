// Kernels of the memory-bound operations between convolutions: batch normalization, ReLU, max-pool
// and the SGD update, each in as few passes over memory as its data dependencies allow.
#pragma once

#include <cstdint>

namespace intandem {

/// Max-pool geometry of one image: x [H][W][C] → y [P][Q][C], P = (H − kernel)/stride + 1.
struct PoolShape {
  std::int64_t H, W, C, P, Q, kernel, stride;
};

/// Coefficients of one SGD step (nn/sgd.hpp).
struct SgdCoefficients {
  float lr, momentum, decay, grad_scale;
  bool nesterov;
};

/// x, dy, y, dx are [rows][C] unless said otherwise; a, b and the like [C]. Kernels run on one
/// thread; callers split the work in chunks that do not depend on the number of threads.
struct ElementwiseKernels {
  /// sum[c] = Σ x, sum_sq[c] = Σ x²; overwritten.
  void (*moments)(std::int64_t rows, std::int64_t C, const float* x, double* sum, double* sum_sq);

  /// y = a·x + b, then max(0, ·) if relu; y may be x.
  void (*affine)(std::int64_t rows, std::int64_t C, const float* x, const float* a, const float* b,
                 bool relu, float* y);

  /// With g = dy where relu is false or a·x + b > 0, else 0 (the affine kernel's own rounding):
  /// sum[c] = Σ g, sum_x[c] = Σ g·x; overwritten.
  void (*affine_moments)(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                         const float* a, const float* b, bool relu, double* sum, double* sum_x);

  /// dx = p·g + q·x + r with g as above; dx may be x.
  void (*affine_backward)(std::int64_t rows, std::int64_t C, const float* x, const float* dy,
                          const float* a, const float* b, bool relu, const float* p, const float* q,
                          const float* r, float* dx);

  /// Output row y [Q][C] from the kernel input rows that start at x (row pitch W·C). argmax [Q][C],
  /// unless null, receives r·kernel + s of the first maximum in row-major order.
  void (*max_pool_row)(const PoolShape& shape, const float* x, float* y, std::uint8_t* argmax);

  /// Input row h of the gradient, dx [W][C], from the whole image's dy and argmax [P][Q][C].
  void (*max_pool_backward_row)(const PoolShape& shape, std::int64_t h, const float* dy,
                                const std::uint8_t* argmax, float* dx);

  /// max_pool_row of the affine kernel's y = a·x + b (ReLU if relu) without storing that y.
  /// chosen_x and argmax [Q][C], unless null, receive the x behind each maximum and its place.
  void (*affine_pool_row)(const PoolShape& shape, const float* x, const float* a, const float* b,
                          bool relu, float* y, float* chosen_x, std::uint8_t* argmax);

  /// Input row h of the gradient of both: dx = p·g + q·x + r, where g is what
  /// max_pool_backward_row yields for this element if relu is false or a·x + b > 0, else 0.
  /// x and dx [W][C] are row h and may be the same.
  void (*affine_pool_backward_row)(const PoolShape& shape, std::int64_t h, const float* dy,
                                   const std::uint8_t* argmax, const float* x, const float* a,
                                   const float* b, bool relu, const float* p, const float* q,
                                   const float* r, float* dx);

  /// One SGD step on n elements: g' = grad_scale·g + decay·w, v = momentum·v + g',
  /// w −= lr·(nesterov ? g' + momentum·v : v).
  void (*sgd)(std::int64_t n, const SgdCoefficients& k, const float* g, float* v, float* w);
};

/// The kernels of active_isa().
const ElementwiseKernels& elementwise_kernels();

extern const ElementwiseKernels kElementwiseRef;
#if defined(__x86_64__)
extern const ElementwiseKernels kElementwiseAvx2;
extern const ElementwiseKernels kElementwiseAvx512;
#endif

}  // namespace intandem
