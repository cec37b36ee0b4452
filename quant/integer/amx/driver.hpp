// The direct algorithm on AMX tile registers.
#pragma once

#include <memory>

#include "quant/integer/prepared_layer.hpp"

namespace intandem {

/// A convolution or linear layer of any shape and codes, as direct.hpp; null below Isa::amx.
std::unique_ptr<PreparedLayer> prepare_direct_amx(const IntLayer& layer);

}  // namespace intandem
