// Weights in the order in which a direct kernel reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "quant/integer/direct_kernels.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

struct DirectPanel {
  std::int64_t first, width;  ///< output channels
  std::int64_t offset_bytes;  ///< into DirectWeights::data
};

struct DirectWeights {
  std::vector<DirectPanel> panels;  ///< of the kernel's width; the last may have half of it
  std::shared_ptr<std::byte> data;  ///< 64-byte aligned
  std::int64_t bytes = 0;
};

/// The weights of a convolution or linear layer, one tap per kernel row: its S·C codes in
/// ⌈S·C/4⌉ groups. Weights of surplus codes and channels are zero.
DirectWeights pack_direct(const IntLayer& layer, const DirectKernel& kernel);

}  // namespace intandem
