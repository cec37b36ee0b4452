// Inner loops of the depthwise convolution in plain loops.
#include "nn/conv/depthwise/kernels.hpp"

namespace intandem {
namespace {

using Floats = float;

#include "nn/conv/depthwise/simd.hpp"

}  // namespace

const DepthwiseKernels kDepthwiseKernels_ref = {sum_taps, sum_products};

}  // namespace intandem
