// Exact fast convolution: 3×3 and 5×5 convolutions with a half to a third of the products and the
// identical integers (docs/kernels.md).
#pragma once

#include <cstdint>
#include <memory>

#include "quant/integer/fastconv_kernels.hpp"
#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "winograd4": tiles of 4×4 outputs from 46 or 49 products each, smaller ones at the
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

/// The kernels of active_isa(): AVX-512 VNNI, AVX2 (also for AVX-512 without VNNI) or the
/// reference. wide: those for FastConvOperands::s16.
const FastConvKernels& fastconv_kernels(bool wide);

/// Any of the above with the kernels given; tile is 4, 3 or 2. most_stored_bytes: transformed
/// weights up to so many are stored, larger ones are computed in part while they are used.
std::unique_ptr<PreparedLayer> prepare_fastconv(const IntLayer& layer, int tile,
                                                const FastConvKernels& kernels,
                                                std::int64_t most_stored_bytes = kMostStoredBytes);

}  // namespace intandem
