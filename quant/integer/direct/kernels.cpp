// Which kernel the direct algorithm uses on which instruction set.
#include <algorithm>

#include "core/cpu.hpp"
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

}  // namespace

const DirectKernel* direct_kernel(Isa isa, bool narrow, bool linear) {
#if defined(__x86_64__)
  if (isa >= Isa::avx512vnni) return &kVnni;
  if (isa >= Isa::avx2) return narrow ? &kNarrowAvx2 : linear ? &kLinearAvx2 : &kWideAvx2;
#else
  (void)isa, (void)narrow, (void)linear;
#endif
  return nullptr;
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
  return active_isa() >= Isa::avx2 && active_isa() < Isa::avx512vnni && narrow_chunk(layer) >= 4;
}

}  // namespace intandem
