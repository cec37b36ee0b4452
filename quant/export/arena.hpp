// Where the codes of a network lie in one block of memory, so that it is small: buffers that are
// never needed at the same time share their bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/integer/model.hpp"

namespace intandem {

/// Offsets in bytes from the start of the arena; −1: the layer has no such buffer.
struct ArenaPlan {
  std::vector<std::int64_t> output;  ///< codes a layer writes; none for the last layer
  std::vector<std::int64_t> column;  ///< the window of one position, u8 [R][S][C/groups]
  std::int64_t bytes = 0;            ///< of the arena
  /// The most bytes in use at once: no plan is smaller.
  std::int64_t least_bytes = 0;
};

/// Whether a window is read where it lies, without padding or copying: a single point of the input.
bool reads_in_place(const IntLayer& layer);

/// Plans the arena of `model` (one image, one byte per code). The image itself and the logits lie
/// elsewhere. A sum without max-pool is written over its shortcut where nobody needs that any more
/// and the layer does not read it otherwise: it reads each code right before it writes it.
ArenaPlan plan_arena(const IntModel& model);

}  // namespace intandem
