// Requantization (Q5, Q6) of blocks of accumulators by vector instructions: the epilogue of every
// fast kernel.
//
// Without a shortcut or a zero point and with n ≥ 17 the arithmetic of Q5a needs 32 bits; all else
// is computed in 64 bits (requant_wide of vectors_<isa>.hpp).
#pragma once

#include <vector>

#include "core/cpu.hpp"
#include "quant/integer/kernel_args.hpp"
#include "quant/integer/model.hpp"
#include "quant/integer/requant/kernels.hpp"

namespace intandem {

/// From this n on 32-bit arithmetic does (docs/quantization.md, Q5a).
inline constexpr std::int32_t kQuickShift = 17;

/// The same rational with the largest n ≤ kQuickShift its m has room for; Q5 gives the same codes.
Multiplier scale_up(Multiplier scale);

/// The tables of one layer. Empty (no channel) for a raw-accumulator layer.
class RequantData {
 public:
  RequantData() = default;
  explicit RequantData(const IntLayer& layer);
  /// The tables from channel `first` (a multiple of 16) on.
  RequantTables from(std::int64_t first) const;
  std::int64_t size_bytes() const;

 private:
  std::vector<std::int32_t> m_, n_, add_m_;
  std::int32_t max_code_ = 0, zero_point_ = 0, add_zero_ = 0;
  bool quick_ = false;
};

/// The layer with n ≥ 17 in every channel, as the 32-bit arithmetic of Q5a wants it: where n is
/// smaller even after scale_up, weights, bias and 2ⁿ times a power of two, which gives the same
/// codes. As it is if weights or accumulators have no room for that, and if it has no scale of its
/// own alone: the last layer, or one with a shortcut or a zero point.
IntLayer lift_scales(const IntLayer& layer);

/// Requantizes a block. The function for an instruction set; bit-exact to requantize() and
/// requantize_add() for all |acc| < 2^31, m < 2^15, n in [1, 46], m₂ in [0, 2^31).
using RequantFn = void (*)(const RequantBlock& block);
RequantFn requant_function(Isa isa);

}  // namespace intandem
