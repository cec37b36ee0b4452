// Which kernels of the exact fast convolution run on which instruction set.
#include "quant/integer/fastconv_kernels.hpp"

#include "core/cpu.hpp"
#include "quant/integer/fastconv.hpp"

namespace intandem {

namespace {

struct KernelPair {
  FastConvKernels narrow, wide;
};

/// The same kernels on another CPU.
KernelPair with_costs(KernelPair kernels, const FastConvCost& narrow, const FastConvCost& wide) {
  kernels.narrow.cost = narrow;
  kernels.wide.cost = wide;
  return kernels;
}

const KernelPair& active_kernels() {
  using Operands = FastConvOperands;
  // Plain loops are a hundred times slower at everything.
  constexpr FastConvCost kSlow = {800, 9600, 35200, 8800};
  constexpr RegisterBlock kRef = {kFastConvRefRows, kPanelWidth};
  static const KernelPair ref = {
      {"ref", Operands::u8_s8, false, kRef, kRef, 1, kSlow, fastconv_input_ref,
       fastconv_weights_ref, fastconv_joined_ref, fastconv_multiply_ref, fastconv_output_ref},
      {"ref", Operands::s16, false, kRef, kRef, 1, kSlow, fastconv_input_wide_ref,
       fastconv_weights_wide_ref, fastconv_joined_wide_ref, fastconv_multiply_wide_ref,
       fastconv_output_ref}};
#if defined(__x86_64__)
  // The first against the direct kernel that sums low-bit products in 16 bits, which this one
  // cannot: 3 : 2 instructions; the second against the one for 8-bit codes.
  static const KernelPair avx2 = {{"avx2",
                                   Operands::u8_s8_pairs,
                                   false,
                                   {4, kPanelWidth},
                                   {4, kPanelWidth},
                                   1,
                                   {12, 48, 176, 44},
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
                                   {9, 86, 65, 54},
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
                                   {8, 96, 352, 88},
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
                                   {16, 400, 304, 160},
                                   fastconv_input_wide_avx512vnni,
                                   fastconv_weights_wide_avx512vnni,
                                   fastconv_joined_wide_avx512vnni,
                                   fastconv_multiply_wide_avx512vnni,
                                   fastconv_output_avx512vnni}};
  static const KernelPair four_ports =
      with_costs(vnni, {9, 112, 136, 48, 128}, {16, 104, 168, 136, 128});
  static const KernelPair half_vectors =
      with_costs(vnni, {9, 112, 136, 48, 64}, {15, 225, 144, 90, 64});
  if (active_isa() >= Isa::avx512vnni) {
    switch (cpu_traits().vector_ports) {
      case VectorPorts::two:
        return vnni;
      case VectorPorts::four:
        return four_ports;
      case VectorPorts::four_halves:
        return half_vectors;
    }
  }
  if (active_isa() >= Isa::avx2) return avx2;
#endif
  return ref;
}

}  // namespace

const FastConvKernels& fastconv_kernels(bool wide) {
  return wide ? active_kernels().wide : active_kernels().narrow;
}

}  // namespace intandem
