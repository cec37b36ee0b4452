// One-bit products in plain loops.
#include "quant/integer/binary_kernels.hpp"

namespace intandem {

void binary_count_ref(const BinaryRow& row) {
  for (std::int64_t panel = 0; panel < row.panels; ++panel) {
    for (std::int64_t lane = 0; lane < kBinaryLanes; ++lane) {
      std::int32_t both = 0;
      for (std::int64_t w = 0; w < row.words; ++w) {
        std::uint32_t bits =
            row.window[w] & row.weights[(panel * row.words + w) * kBinaryLanes + lane];
        for (; bits != 0; bits &= bits - 1) ++both;
      }
      const std::int64_t k = panel * kBinaryLanes + lane;
      row.acc[k] = row.bias[k] + 2 * both - row.ones;
    }
  }
}

void binary_pack_ref(const std::uint8_t* codes, std::int64_t count, std::uint32_t* words) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i % 32 == 0) words[i / 32] = 0;
    words[i / 32] |= std::uint32_t{codes[i]} << (i % 32);
  }
}

}  // namespace intandem
