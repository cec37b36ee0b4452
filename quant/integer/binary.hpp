// Layers of one-bit weights (±1) and one-bit codes (0, 1): the product is a count of common bits.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "binary": convolutions and linear layers whose weights are all ±1 and whose input and
/// padding codes are 0 or 1, of up to 64 Ki codes a window. Null for others.
std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer);

/// Whether prepare_binary may take a layer: see there.
bool is_binary(const IntLayer& layer);

/// The same for CPUs that count bits in vectors (AVX512_VPOPCNTDQ), windows of any size; the layer
/// must be one prepare_binary takes. Null where active_isa() or the CPU has no such instruction.
std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer& layer);

/// PrepareFn "lookup": such convolutions of stride 1, by table, on CPUs that look up bytes in a
/// register (AVX512_VBMI, GFNI), windows of up to 12,000 codes. Null for others.
std::unique_ptr<PreparedLayer> prepare_binary_lookup(const IntLayer& layer);

/// PrepareFn "nibble": such layers by tables of four products, where the instruction set is AVX2,
/// windows of up to 8191 nibbles. Null for others.
std::unique_ptr<PreparedLayer> prepare_binary_nibble(const IntLayer& layer);

}  // namespace intandem
