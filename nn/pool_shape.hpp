// The geometry of a pooling window over a tensor, checked; shared by the operations that pool.
#pragma once

#include <string>

#include "core/tensor.hpp"
#include "nn/elementwise/kernels.hpp"

namespace intandem {

/// kernel² must fit the byte that stores a maximum's place.
inline constexpr std::int64_t kMaxPoolKernel = 15;

/// Pooling of x [N][H][W][C] without padding; throws if the window does not fit.
inline PoolShape pool_shape(const Shape& x, std::int64_t kernel, std::int64_t stride) {
  INTANDEM_CHECK(x.rank() == 4 && kernel > 0 && kernel <= kMaxPoolKernel && stride > 0 &&
                     kernel <= x[1] && kernel <= x[2],
                 "pooling of " + x.str() + " with kernel " + std::to_string(kernel) +
                     " and stride " + std::to_string(stride));
  return {x[1],   x[2],  x[3], (x[1] - kernel) / stride + 1, (x[2] - kernel) / stride + 1,
          kernel, stride};
}

/// dx [N][H][W][C] of a max-pool from dy [N][P][Q][C] and the places of the maxima.
void max_pool_backward(const PoolShape& shape, std::int64_t N, const float* dy,
                       const std::uint8_t* places, float* dx);

}  // namespace intandem
