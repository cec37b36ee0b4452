#include "nn/conv/padded.hpp"

#include <algorithm>
#include <cstring>

namespace intandem {

void copy_padded_lines(const float* image, std::int64_t H, std::int64_t W, std::int64_t C,
                       std::int64_t h0, std::int64_t lines, std::int64_t w0, std::int64_t columns,
                       float* to) {
  const std::int64_t left = std::clamp<std::int64_t>(-w0, 0, columns);
  const std::int64_t right = std::clamp<std::int64_t>(W - w0, left, columns);
  const auto bytes = [C](std::int64_t pixels) {
    return static_cast<std::size_t>(pixels * C) * sizeof(float);
  };
  for (std::int64_t h = h0; h < h0 + lines; ++h, to += columns * C) {
    if (h < 0 || h >= H || left == right) {
      std::memset(to, 0, bytes(columns));
      continue;
    }
    std::memset(to, 0, bytes(left));
    std::memcpy(to + left * C, image + (h * W + w0 + left) * C, bytes(right - left));
    std::memset(to + right * C, 0, bytes(columns - right));
  }
}

}  // namespace intandem
