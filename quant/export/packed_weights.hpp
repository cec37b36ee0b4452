// Weight codes as exported programs keep them: as many bits each as the layer has.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/integer/model.hpp"

namespace intandem {

/// code = low + step · field, the field an unsigned number of `bits` bits. Q1: step 1 and
/// low −2^(W−1), or for odd codes step 2 and low 1 − 2^W. One row per output channel, its
/// R·S·C/groups fields one behind another from the lowest bit of its first byte on; the last byte
/// of a row is filled up with zeros.
struct PackedWeights {
  std::int32_t bits = 8, low = 0, step = 1;
  std::int64_t row_bytes = 0;
  std::vector<std::uint8_t> bytes;  ///< [K][row_bytes]; empty for an average pool
};

/// Packs the weights of a layer that check_model lets through.
PackedWeights pack_weights(const IntLayer& layer);

}  // namespace intandem
