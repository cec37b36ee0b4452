// How large the blocks of float products are: from the caches that the machine reports.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/cpu.hpp"

namespace intandem {

/// Floats that fill `quarters` of four of a core's second-level cache. What passes through beside
/// such a block needs the rest. Caches from 256 KiB on count as what they are; where the system
/// does not say, as 1 MiB. Only blocks that no sum depends on may go by it: results are the same on
/// machines with other caches.
inline std::int64_t second_level_floats(std::int64_t quarters) {
  const std::int64_t found = cache_sizes().second_level_bytes;
  const std::int64_t bytes = found > 0 ? found : std::int64_t{1} << 20;
  return std::max(bytes, std::int64_t{1} << 18) / 4 * quarters /
         static_cast<std::int64_t>(sizeof(float));
}

}  // namespace intandem
