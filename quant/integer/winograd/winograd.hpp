// Exact fast convolution: 3×3 and 5×5 convolutions with a half to a third of the products and the
// identical integers (docs/winograd.md).
#pragma once

#include <cstdint>
#include <memory>

#include "quant/integer/prepared_layer.hpp"
#include "quant/integer/winograd/kernels.hpp"

namespace intandem {

/// PrepareFn "winograd4": tiles of 4×4 outputs from 49 products each, smaller ones at the
/// edge. Null unless the layer is a 3×3 or 5×5 convolution of stride 1 whose transformed values
/// (in_max ≤ 15) and weights (|q_w| ≤ 14 is always enough) fit 8 bits; the actual weights decide.
std::unique_ptr<PreparedLayer> prepare_winograd4(const IntLayer& layer);

/// PrepareFn "winograd2": 2×2 outputs from 16 products; in_max ≤ 63, same condition on weights.
std::unique_ptr<PreparedLayer> prepare_winograd2(const IntLayer& layer);

/// PrepareFn "winograd3": 3×3 convolutions of stride 2, 3×3 outputs from 49 products; in_max ≤ 63,
/// and |q_w| ≤ 31 is always enough.
std::unique_ptr<PreparedLayer> prepare_winograd3(const IntLayer& layer);

/// PrepareFn "winograd4_s16": as winograd4 with operands of 16 bits, which hold the transformed
/// codes and weights of every layer. Null also where narrow codes and weights are sure to be
/// admitted by winograd4, which is faster.
std::unique_ptr<PreparedLayer> prepare_winograd4_s16(const IntLayer& layer);
/// PrepareFn "winograd3_s16": likewise of winograd3, without AVX-512 VNNI, where products of 16
/// bits take twice the time and leave nothing to gain.
std::unique_ptr<PreparedLayer> prepare_winograd3_s16(const IntLayer& layer);

/// The kernels of active_isa(): AVX-512 VNNI or AVX2 (also for AVX-512 without VNNI); null on
/// others. wide: those for WinogradOperands::s16.
const WinogradKernels* winograd_kernels(bool wide);

/// Any of the above with the kernels given, or null without; tile is 4, 3 or 2.
std::unique_ptr<PreparedLayer> prepare_winograd(const IntLayer& layer, int tile,
                                                const WinogradKernels* kernels);

}  // namespace intandem
