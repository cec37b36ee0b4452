// Addresses at equal distances, as windows of neighbouring pixels have them: seven of them need one
// pointer and three distances in registers, because 0, 1, 2 and 4 times the distance, once and
// twice its triple and once its quintuple are addressing modes.
// Internal linkage, so that files compiled for one instruction set define no shared symbol.
#pragma once

#include <cstdint>

namespace intandem {
namespace {

struct Equidistant {
  std::int64_t distance, triple, quintuple;

  [[gnu::always_inline]] explicit Equidistant(std::int64_t d)
      : distance(d), triple(3 * d), quintuple(5 * d) {
    // Or each use computes them again.
    asm("" : "+r"(distance), "+r"(triple), "+r"(quintuple));
  }
  /// index · distance for a constant index of 0 … 6.
  [[gnu::always_inline]] std::int64_t operator[](int index) const {
    return index == 5 ? quintuple : index % 3 == 0 ? index / 3 * triple : index * distance;
  }
};

}  // namespace
}  // namespace intandem
