// What a layer of one-bit weights and codes makes of its counts.
#pragma once

#include "core/tensor.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// For count = popcount(window ^ weights), weight bits 1 for +1 and 0 for −1.
struct BinaryThresholds {
  TensorS32 start;  ///< the accumulator is start − count
  /// The code is 1 if count ≤ limit, −1 if it never is. Empty unless codes are one bit and nothing
  /// is added.
  TensorS32 limit;

  std::int64_t size_bytes() const { return start.size_bytes() + limit.size_bytes(); }
};

/// For layers prepare_binary takes. K entries, and zeros up to a multiple of kBinaryLanes.
BinaryThresholds binary_thresholds(const IntLayer& layer);

}  // namespace intandem
