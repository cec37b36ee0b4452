// Which kernels of the exact fast convolution run on which instruction set.
#include "quant/integer/fastconv_kernels.hpp"

#include "core/cpu.hpp"
#include "quant/integer/amx_kernels.hpp"
#include "quant/integer/fastconv.hpp"

namespace intandem {

const FastConvKernels& fastconv_kernels() {
  static const FastConvKernels ref = {"ref",
                                      false,
                                      false,
                                      kFastConvRefRows,
                                      1,
                                      nullptr,
                                      nullptr,
                                      fastconv_input_ref,
                                      fastconv_weights_ref,
                                      fastconv_multiply_ref,
                                      fastconv_output_ref};
#if defined(__x86_64__)
  static const FastConvKernels avx2 = {"avx2",
                                       true,
                                       false,
                                       4,
                                       1,
                                       nullptr,
                                       nullptr,
                                       fastconv_input_avx2,
                                       fastconv_weights_avx2,
                                       fastconv_multiply_avx2,
                                       fastconv_output_avx2};
  static const FastConvKernels vnni = {"avx512vnni",
                                       false,
                                       true,
                                       12,
                                       1,
                                       nullptr,
                                       nullptr,
                                       fastconv_input_avx512vnni,
                                       fastconv_weights_avx512vnni,
                                       fastconv_multiply_avx512vnni,
                                       fastconv_output_avx512vnni};
  static const FastConvKernels amx = {"amx",
                                      false,
                                      false,
                                      kTileRows,
                                      kTileCodes / 4,
                                      fastconv_begin_amx,
                                      fastconv_end_amx,
                                      fastconv_input_avx512vnni,
                                      fastconv_weights_avx512vnni,
                                      fastconv_multiply_amx,
                                      fastconv_output_avx512vnni};
  if (active_isa() >= Isa::amx) return amx;
  if (active_isa() >= Isa::avx512vnni) return vnni;
  if (active_isa() >= Isa::avx2) return avx2;
#endif
  return ref;
}

}  // namespace intandem
