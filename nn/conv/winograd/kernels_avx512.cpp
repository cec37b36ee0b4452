// Transforms of the float Winograd convolution. Vectors of 16 floats.
#include <cstdint>
#include <type_traits>
#include <utility>

#include "nn/conv/winograd/kernels.hpp"

#if defined(__AVX512F__)
namespace intandem {
namespace {

using Floats = float __attribute__((vector_size(64)));

#include "nn/conv/winograd/simd.hpp"

}  // namespace

const WinogradKernels kWinogradKernels_avx512 = {input,       gradient, output_columns,
                                                 output_rows, filter,   filter_gradient};

}  // namespace intandem
#endif
