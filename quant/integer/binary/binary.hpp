// Layers of one-bit weights (±1) and one-bit codes (0, 1): the product is a count of common bits.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "binary": convolutions and linear layers whose weights are all ±1 and whose input and
/// padding codes are 0 or 1, by the kernels of active_isa(): AVX512_VPOPCNTDQ or AVX2. Null for
/// others.
std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer);

}  // namespace intandem
