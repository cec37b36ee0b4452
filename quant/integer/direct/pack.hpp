// Weights in the order in which a direct kernel reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "quant/integer/direct/kernels.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

struct DirectPanel {
  std::int64_t first, width;  ///< output channels
  std::int64_t offset_bytes;  ///< into DirectWeights::data
};

struct DirectWeights {
  std::vector<DirectPanel> panels;  ///< of one width; the last may have half or a quarter of it
  std::shared_ptr<std::byte> data;  ///< 64-byte aligned
  std::int64_t bytes = 0;
};

/// The weights of a convolution or linear layer, one tap per kernel row: its S·C codes in
/// ⌈S·C/4⌉ groups. Weights of surplus codes and channels are zero.
/// Panels have `width` channels; the last has half or a quarter, if that holds its channels and is
/// at least 16, or half of a narrower `width`.
DirectWeights pack_direct(const IntLayer& layer, WeightLayout layout, std::int64_t width);

}  // namespace intandem
