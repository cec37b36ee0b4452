// From a real scale to the integer multiplier and shift that replace it.
#pragma once

#include <cstdint>
#include <string>

#include "quant/integer/requant.hpp"

namespace intandem {

/// Q4: m and n with m·2⁻ⁿ closest to `scale` for m of `bits` bits (1 … 15), i.e. relative error at
/// most 2^−bits: scale = f·2^e with f in [½, 1), m = ⌊f·2^bits + ½⌋, n = bits − e; m = 2^bits
/// becomes 2^(bits−1) with n − 1. Scales so small that n would pass 46 keep n = 46 and lose bits of
/// m. Error naming the layer if scale is not positive and finite, m would be 0 or n would be
/// below 1.
Multiplier make_multiplier(double scale, int bits, const std::string& layer);

/// m·2⁻ⁿ as a real number, exact.
double multiplier_value(Multiplier multiplier);

}  // namespace intandem
