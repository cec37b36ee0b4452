// How layers are described in tables.
#pragma once

#include <cstdint>
#include <string>

#include "core/conv_shape.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// "28x28x32 -> 28x28x64, 3x3", "3136 -> 512", "8x8x64 -> 1x1x64, 8x8 mean".
std::string shape_text(const ConvShape& shape, bool linear, bool pool);
std::string shape_text(const IntLayer& layer);

/// Bits of a code that may be as large as max_code: 15 → 4.
int bits_of(std::int32_t max_code);

/// Multiply-accumulates of one image; 0 for an average pool.
std::int64_t layer_macs(const IntLayer& layer);

/// Bytes of the weights at their bit-width.
std::int64_t weight_bytes(const IntLayer& layer);

}  // namespace intandem
