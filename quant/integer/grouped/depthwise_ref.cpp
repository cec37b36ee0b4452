// One pixel of a depthwise convolution in plain loops.
#include "quant/integer/grouped/depthwise_kernels.hpp"

namespace intandem {

void depthwise_pixel_ref(const DepthwisePixel& p) {
  for (std::int64_t c = 0; c < p.channels; ++c) {
    std::int32_t sum = p.bias[c];
    for (std::int64_t i = 0; i < p.pairs; ++i) {
      const std::int16_t* weight = p.weights + i * p.weight_stride + 2 * c;
      sum += std::int32_t{weight[0]} * std::int32_t{p.taps[2 * i][c]} +
             std::int32_t{weight[1]} * std::int32_t{p.taps[2 * i + 1][c]};
    }
    p.acc[c] = sum;
  }
}

}  // namespace intandem
