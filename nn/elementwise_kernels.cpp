#include "nn/elementwise_kernels.hpp"

#include "core/cpu.hpp"

namespace intandem {

const ElementwiseKernels& elementwise_kernels() { return kElementwiseRef; }

}  // namespace intandem
