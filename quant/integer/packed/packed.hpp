// Fully connected layers with weights of 4 or 2 bits as they are stored: at batch 1 such a layer is
// as fast as its weights come from memory.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// "packed4" and "packed2": linear layers whose weights take at most 16 (4) values
/// q_w = (u << shift) − offset, u unsigned of `bits` bits: all codes of up to 4 (2) bits,
/// symmetric, full-range or odd. Null for other layers, for input codes above 127 (they are the
/// signed operand), for a shortcut or a pool, and without AVX2. `ahead`: weights are asked for
/// once, far ahead (kStreamAhead_bytes); null on AVX2, whose kernels leave that to the hardware.
std::unique_ptr<PreparedLayer> prepare_packed(const IntLayer& layer, std::int32_t bits, bool ahead);

}  // namespace intandem
