// Weights of channels-first programs (NCHW: PyTorch, ONNX) in the project's order, channels last.
#pragma once

#include <cstdint>
#include <vector>

namespace intandem {

/// [K][C][R][S] → [K][R][S][C].
inline std::vector<float> channels_last(const std::vector<float>& weight, std::int64_t K,
                                        std::int64_t C, std::int64_t R, std::int64_t S) {
  std::vector<float> result(weight.size());
  std::size_t at = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t r = 0; r < R; ++r) {
      for (std::int64_t s = 0; s < S; ++s) {
        for (std::int64_t c = 0; c < C; ++c) {
          result[at++] = weight[static_cast<std::size_t>(((k * C + c) * R + r) * S + s)];
        }
      }
    }
  }
  return result;
}

/// Weights [K][H·W·C] of a linear layer behind a flattened image, input h·W·C + w·C + c, from those
/// of a program that flattens [C][H][W]. element(k, i): its weight of output k for input
/// i = (c·H + h)·W + w.
template <class Element>
std::vector<float> flattened_channels_last(std::int64_t K, std::int64_t C, std::int64_t H,
                                           std::int64_t W, const Element& element) {
  std::vector<float> result(static_cast<std::size_t>(K * C * H * W));
  std::size_t at = 0;
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t h = 0; h < H; ++h) {
      for (std::int64_t w = 0; w < W; ++w) {
        for (std::int64_t c = 0; c < C; ++c) result[at++] = element(k, (c * H + h) * W + w);
      }
    }
  }
  return result;
}

}  // namespace intandem
