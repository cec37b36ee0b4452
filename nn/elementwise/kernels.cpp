#include "nn/elementwise/kernels.hpp"

#include "core/cpu.hpp"

namespace intandem {

const ElementwiseKernels& elementwise_kernels() {
#if defined(__x86_64__)
  if (active_isa() >= Isa::avx512) return kElementwiseAvx512;
  if (active_isa() >= Isa::avx2) return kElementwiseAvx2;
#endif
  return kElementwiseRef;
}

}  // namespace intandem
