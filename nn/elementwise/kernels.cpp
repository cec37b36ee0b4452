#include "nn/elementwise/kernels.hpp"

#include "core/dispatch.hpp"

namespace intandem {

const ElementwiseKernels& elementwise_kernels() {
  static constexpr KernelRow<const ElementwiseKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kElementwiseAvx512},
    {Isa::avx2, &kElementwiseAvx2},
#endif
    {Isa::ref, &kElementwiseRef},
  };
  return *choose_kernel(kTable);
}

}  // namespace intandem
