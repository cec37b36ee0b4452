// Convolutions in groups: depthwise by kernels of its own, others group by group.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// PrepareFn "depthwise": depthwise convolutions of up to 64 taps, any codes. Null on Isa::ref.
std::unique_ptr<PreparedLayer> prepare_depthwise(const IntLayer& layer);

/// PrepareFn "grouped": each of up to 256 groups by the best algorithm for a convolution of its
/// shape, on a copy of its channels. Null for other layers, those that "depthwise" takes, and on
/// Isa::ref.
std::unique_ptr<PreparedLayer> prepare_grouped(const IntLayer& layer);

}  // namespace intandem
