// Inner loops of the depthwise convolution in vectors of 16 floats.
#include "nn/conv/depthwise/kernels.hpp"

#if defined(__AVX512F__)
namespace intandem {
namespace {

using Floats = float __attribute__((vector_size(64)));

#include "nn/conv/depthwise/simd.hpp"

}  // namespace

const DepthwiseKernels kDepthwiseKernels_avx512 = {sum_taps, sum_products};

}  // namespace intandem
#endif
