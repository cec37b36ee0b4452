// Layers of one-bit weights (±1) and one-bit codes (0, 1): the product is a count of common bits.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "binary": convolutions and linear layers whose weights are all ±1 and whose input and
/// padding codes are 0 or 1, by the kernels of active_isa(). Null for others.
std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer);

/// Whether a layer is such a one.
bool is_binary(const IntLayer& layer);

/// Windows of any size, on CPUs that count bits in vectors (AVX512_VPOPCNTDQ); null on others. The
/// layer must be binary.
std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer& layer);

/// Windows of up to 8191 nibbles, with AVX2, by tables of four products; else null. The layer must
/// be binary.
std::unique_ptr<PreparedLayer> prepare_binary_nibble(const IntLayer& layer);

}  // namespace intandem
