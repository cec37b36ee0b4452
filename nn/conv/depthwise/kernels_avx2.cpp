// Inner loops of the depthwise convolution in vectors of 8 floats.
#include "nn/conv/depthwise/kernels.hpp"

#if defined(__AVX2__)
namespace intandem {
namespace {

using Floats = float __attribute__((vector_size(32)));

#include "nn/conv/depthwise/simd.hpp"

}  // namespace

const DepthwiseKernels kDepthwiseKernels_avx2 = {sum_taps, sum_products};

}  // namespace intandem
#endif
