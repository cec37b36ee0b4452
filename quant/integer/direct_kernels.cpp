// Which kernel the direct algorithm uses on which instruction set.
#include <algorithm>

#include "quant/integer/direct.hpp"
#include "quant/integer/tile_direct.hpp"

namespace intandem {
namespace {

#if defined(__x86_64__)
constexpr DirectKernel kVnni = {
    "direct_avx512vnni",     WeightLayout::quads_s8,   12,  32, direct_tile_avx512vnni,
    direct_strip_avx512vnni, direct_gather_avx512vnni, true};
constexpr DirectKernel kWideAvx2 = {
    "direct_avx2",          WeightLayout::pairs_s16, 6, 16, direct_tile_wide_avx2,
    direct_strip_wide_avx2, direct_gather_wide_avx2};
constexpr DirectKernel kLinearAvx2 = {"direct_linear_avx2", WeightLayout::pairs_s8, 6, 16,
                                      direct_tile_linear_avx2};
constexpr DirectKernel kNarrowAvx2 = {
    "direct_narrow_avx2",     WeightLayout::quads_s8, 4, 16, direct_tile_narrow_avx2,
    direct_strip_narrow_avx2, direct_gather_avx2};
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

std::unique_ptr<PreparedLayer> prepare_direct(const IntLayer& layer) {
  const DirectKernel* kernel =
      direct_kernel(active_isa(), direct_is_narrow(layer), layer.kind == IntLayerKind::linear);
  if (kernel == nullptr || layer.shape.groups > 1) return nullptr;
  if (layer.kind == IntLayerKind::avg_pool) return prepare_avg_pool(layer);
  if (active_isa() < Isa::amx) return prepare_direct(layer, *kernel);
  // Small windows leave most of a tile's 64 codes empty: strips of the VNNI kernel may be quicker.
  auto tiles = prepare_tile_direct(layer);
  if (!has_small_window(layer.shape)) return tiles;
  auto strips = prepare_direct_strips(layer, *kernel);
  return strips != nullptr && strips->cost(1) < tiles->cost(1) ? std::move(strips)
                                                               : std::move(tiles);
}

}  // namespace intandem
