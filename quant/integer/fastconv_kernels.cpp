// Which kernels of the exact fast convolution run on which instruction set.
#include "quant/integer/fastconv_kernels.hpp"

#include "core/cpu.hpp"
#include "quant/integer/fastconv.hpp"

namespace intandem {

namespace {

struct KernelPair {
  FastConvKernels narrow, wide;
};

const KernelPair& active_kernels() {
  using Operands = FastConvOperands;
  constexpr RegisterBlock kRef = {kFastConvRefRows, kPanelWidth};
  static const KernelPair ref = {
      {"ref", Operands::u8_s8, false, kRef, kRef, 1, fastconv_input_ref, fastconv_weights_ref,
       fastconv_joined_ref, fastconv_multiply_ref, fastconv_output_ref},
      {"ref", Operands::s16, false, kRef, kRef, 1, fastconv_input_wide_ref,
       fastconv_weights_wide_ref, fastconv_joined_wide_ref, fastconv_multiply_wide_ref,
       fastconv_output_ref}};
#if defined(__x86_64__)
  static const KernelPair avx2 = {{"avx2",
                                   Operands::u8_s8_pairs,
                                   false,
                                   {4, kPanelWidth},
                                   {4, kPanelWidth},
                                   1,
                                   fastconv_input_avx2,
                                   fastconv_weights_avx2,
                                   fastconv_joined_avx2,
                                   fastconv_multiply_avx2,
                                   fastconv_output_avx2},
                                  {"avx2",
                                   Operands::s16,
                                   false,
                                   {6, kPanelWidth},
                                   {6, kPanelWidth},
                                   1,
                                   fastconv_input_wide_avx2,
                                   fastconv_weights_wide_avx2,
                                   fastconv_joined_wide_avx2,
                                   fastconv_multiply_wide_avx2,
                                   fastconv_output_avx2}};
  static const KernelPair vnni = {{"avx512vnni",
                                   Operands::u8_s8,
                                   true,
                                   {6, 64},
                                   {12, kPanelWidth},
                                   1,
                                   fastconv_input_avx512vnni,
                                   fastconv_weights_avx512vnni,
                                   fastconv_joined_avx512vnni,
                                   fastconv_multiply_avx512vnni,
                                   fastconv_output_avx512vnni},
                                  {"avx512vnni",
                                   Operands::s16,
                                   true,
                                   {6, 64},
                                   {6, 64},
                                   1,
                                   fastconv_input_wide_avx512vnni,
                                   fastconv_weights_wide_avx512vnni,
                                   fastconv_joined_wide_avx512vnni,
                                   fastconv_multiply_wide_avx512vnni,
                                   fastconv_output_avx512vnni}};
  if (active_isa() >= Isa::avx512vnni) return vnni;
  if (active_isa() >= Isa::avx2) return avx2;
#endif
  return ref;
}

}  // namespace

const FastConvKernels& fastconv_kernels(bool wide) {
  return wide ? active_kernels().wide : active_kernels().narrow;
}

}  // namespace intandem
