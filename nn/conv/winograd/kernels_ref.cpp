// Transforms of the float Winograd convolution. Plain loops: vectors of one float.
#include <cstdint>
#include <type_traits>
#include <utility>

#include "nn/conv/winograd/kernels.hpp"

namespace intandem {
namespace {

using Floats = float;

#include "nn/conv/winograd/simd.hpp"

}  // namespace

const WinogradKernels kWinogradKernels_ref = {input,       gradient, output_columns,
                                              output_rows, filter,   filter_gradient};

}  // namespace intandem
