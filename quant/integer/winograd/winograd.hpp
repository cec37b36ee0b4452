// Exact fast convolution: 3×3 and 5×5 convolutions with a half to a third of the products and the
// identical integers (docs/winograd.md).
#pragma once

#include <cstdint>
#include <memory>

#include "quant/integer/prepared_layer.hpp"
#include "quant/integer/winograd/kernels.hpp"

namespace intandem {

/// Tiles of tile×tile outputs, smaller ones at the edge, with operands of 8 bits; the actual
/// weights decide whether they fit. Null for other layers than these:
///   "winograd4": 3×3 and 5×5 convolutions of stride 1, 4×4 outputs from 49 products; in_max ≤ 15,
///                |q_w| ≤ 14 is always enough
///   "winograd2": likewise, 2×2 outputs from 16 products; in_max ≤ 63
///   "winograd3": 3×3 convolutions of stride 2, 3×3 outputs from 49 products; in_max ≤ 63, and
///                |q_w| ≤ 31 is always enough
std::unique_ptr<PreparedLayer> prepare_winograd(const IntLayer& layer, int tile);

/// "winograd4_s16" and "winograd3_s16": the same with operands of 16 bits, which hold the
/// transformed codes and weights of every layer. Null also where narrow codes and weights are sure
/// to be admitted by 8 bits, which are faster, and for tile 3 with AVX-512 VNNI, where products of
/// 16 bits take twice the time and leave nothing to gain.
std::unique_ptr<PreparedLayer> prepare_winograd_s16(const IntLayer& layer, int tile);

/// The kernels of active_isa(): AVX-512 VNNI or AVX2 (also for AVX-512 without VNNI); null on
/// others. wide: those for WinogradOperands::s16.
const WinogradKernels* winograd_kernels(bool wide);

/// Any of the above with the kernels given, or null without; tile is 4, 3 or 2.
std::unique_ptr<PreparedLayer> prepare_winograd(const IntLayer& layer, int tile,
                                                const WinogradKernels* kernels);

}  // namespace intandem
