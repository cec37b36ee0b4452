// Which kernels of the exact fast convolution run on which instruction set.
#include "quant/integer/winograd/kernels.hpp"

#include "core/dispatch.hpp"
#include "quant/integer/winograd/winograd.hpp"

namespace intandem {
namespace {

using Operands = WinogradOperands;

struct KernelPair {
  WinogradKernels narrow, wide;
};

#if defined(__x86_64__)
constexpr KernelPair kAvx2 = {{"avx2",
                               Operands::u8_s8_pairs,
                               {4, kPanelWidth},
                               {4, kPanelWidth},
                               winograd_input_avx2,
                               winograd_multiply_avx2,
                               winograd_output_avx2},
                              {"avx2",
                               Operands::s16,
                               {6, kPanelWidth},
                               {6, kPanelWidth},
                               winograd_input_wide_avx2,
                               winograd_multiply_wide_avx2,
                               winograd_output_avx2}};
constexpr KernelPair kVnni = {{"avx512vnni",
                               Operands::u8_s8,
                               {6, 64},
                               {12, kPanelWidth},
                               winograd_input_avx512vnni,
                               winograd_multiply_avx512vnni,
                               winograd_output_avx512vnni},
                              {"avx512vnni",
                               Operands::s16,
                               {6, 64},
                               {6, 64},
                               winograd_input_wide_avx512vnni,
                               winograd_multiply_wide_avx512vnni,
                               winograd_output_avx512vnni}};
#endif

}  // namespace

const WinogradKernels* winograd_kernels(bool wide) {
  static constexpr KernelRow<const KernelPair*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512vnni, &kVnni},
    {Isa::avx2, &kAvx2},
#endif
    {Isa::ref, nullptr},
  };
  const KernelPair* pair = choose_kernel(kTable);
  if (pair == nullptr) return nullptr;
  return wide ? &pair->wide : &pair->narrow;
}

}  // namespace intandem
