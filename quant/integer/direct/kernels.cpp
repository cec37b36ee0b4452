// Which kernel the direct algorithm uses on which instruction set.
#include <algorithm>

#include "core/dispatch.hpp"
#include "quant/integer/direct/direct.hpp"

namespace intandem {
namespace {

#if defined(__x86_64__)
constexpr DirectKernel kVnni = {"direct_avx512vnni",
                                WeightLayout::quads_s8,
                                12,
                                32,
                                direct_tile_avx512vnni,
                                direct_row_avx512vnni,
                                32,
                                14,
                                64,
                                7,
                                true};
constexpr DirectKernel kWideAvx2 = {"direct_avx2",         WeightLayout::pairs_s16, 6,  16,
                                    direct_tile_wide_avx2, direct_row_wide_avx2,    16, 6};
constexpr DirectKernel kLinearAvx2 = {"direct_linear_avx2", WeightLayout::pairs_s8, 6, 16,
                                      direct_tile_linear_avx2};
constexpr DirectKernel kNarrowAvx2 = {"direct_narrow_avx2",    WeightLayout::quads_s8, 4,  16,
                                      direct_tile_narrow_avx2, direct_row_narrow_avx2, 16, 6};
#endif

/// The kernels of one instruction set.
struct DirectKernels {
  const DirectKernel* any;
  const DirectKernel* linear;
  const DirectKernel* narrow;  ///< null: nothing is gained by 16-bit sums
};

#if defined(__x86_64__)
constexpr DirectKernels kOfVnni = {&kVnni, &kVnni, nullptr};
constexpr DirectKernels kOfAvx2 = {&kWideAvx2, &kLinearAvx2, &kNarrowAvx2};
#endif
constexpr DirectKernels kNone = {};

const DirectKernels& direct_kernels(Isa isa) {
  static constexpr KernelRow<const DirectKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512vnni, &kOfVnni},
    {Isa::avx2, &kOfAvx2},
#endif
    {Isa::ref, &kNone},
  };
  return *choose_kernel(kTable, isa);
}

}  // namespace

const DirectKernel* direct_kernel(Isa isa, bool narrow, bool linear) {
  const DirectKernels& kernels = direct_kernels(isa);
  if (narrow && kernels.narrow != nullptr) return kernels.narrow;
  return linear ? kernels.linear : kernels.any;
}

const DirectKernel* direct_kernel(const IntLayer& layer) {
  return direct_kernel(active_isa(), direct_is_narrow(layer), layer.kind == IntLayerKind::linear);
}

std::int64_t narrow_chunk(const IntLayer& layer) {
  std::int32_t largest = 1;
  for (const std::int8_t q : layer.weights)
    largest = std::max<std::int32_t>(largest, q < 0 ? -q : q);
  return 32767 / (2 * layer.in_max * largest);
}

bool direct_is_narrow(const IntLayer& layer) {
  // Below four groups per chunk, widening the 16-bit sums costs more than the wide kernel.
  return direct_kernels(active_isa()).narrow != nullptr && narrow_chunk(layer) >= 4;
}

}  // namespace intandem
