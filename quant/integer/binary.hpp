// Layers of one-bit weights (±1) and one-bit codes (0, 1): the product is a count of common bits.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "binary": convolutions and linear layers whose weights are all ±1 and whose input and
/// padding codes are 0 or 1, of up to 64 Ki codes a window. Null for others.
std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer);

}  // namespace intandem
