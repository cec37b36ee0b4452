#include "quant/integer/ops_ref.hpp"

namespace intandem {

void accumulate_ref(const ConvShape& shape, const std::uint8_t* codes, const std::int8_t* weights,
                    const std::int32_t* bias, const std::uint8_t* pad_code, std::int32_t* acc) {
  const std::int64_t H = shape.H, W = shape.W, C = shape.C;
  const std::int64_t group_C = shape.group_C();
  const std::int64_t K = shape.K, R = shape.R, S = shape.S;
  const std::int64_t P = shape.P(), Q = shape.Q();

  for (std::int64_t n = 0; n < shape.N; ++n) {
    for (std::int64_t p = 0; p < P; ++p) {
      for (std::int64_t q = 0; q < Q; ++q) {
        for (std::int64_t k = 0; k < K; ++k) {
          const std::int64_t first = shape.first_channel(k);
          std::int32_t sum = bias[k];
          for (std::int64_t r = 0; r < R; ++r) {
            const std::int64_t h = p * shape.stride + r - shape.pad;
            for (std::int64_t s = 0; s < S; ++s) {
              const std::int64_t w = q * shape.stride + s - shape.pad;
              const bool inside = h >= 0 && h < H && w >= 0 && w < W;
              const std::uint8_t* x = inside ? codes + ((n * H + h) * W + w) * C : pad_code;
              const std::int8_t* weight = weights + ((k * R + r) * S + s) * group_C;
              for (std::int64_t c = 0; c < group_C; ++c) {
                sum += std::int32_t{weight[c]} * std::int32_t{x[first + c]};
              }
            }
          }
          acc[((n * P + p) * Q + q) * K + k] = sum;
        }
      }
    }
  }
}

void sum_window_ref(const ConvShape& shape, const std::uint8_t* codes, const std::int32_t* bias,
                    std::int32_t* acc) {
  const std::int64_t H = shape.H, W = shape.W, C = shape.C;
  const std::int64_t P = shape.P(), Q = shape.Q();

  for (std::int64_t n = 0; n < shape.N; ++n) {
    for (std::int64_t p = 0; p < P; ++p) {
      for (std::int64_t q = 0; q < Q; ++q) {
        for (std::int64_t c = 0; c < C; ++c) {
          std::int32_t sum = bias != nullptr ? bias[c] : 0;
          for (std::int64_t r = 0; r < shape.R; ++r) {
            for (std::int64_t s = 0; s < shape.S; ++s) {
              const std::int64_t h = p * shape.stride + r, w = q * shape.stride + s;
              sum += codes[((n * H + h) * W + w) * C + c];
            }
          }
          acc[((n * P + p) * Q + q) * C + c] = sum;
        }
      }
    }
  }
}

void requantize_ref(const std::int32_t* acc, std::int64_t rows, std::int64_t K,
                    const Multiplier* scale, bool per_channel, std::int32_t max_code,
                    std::int32_t zero_point, std::uint8_t* codes) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < K; ++k) {
      const Multiplier& channel = scale[per_channel ? k : 0];
      codes[i * K + k] = requantize(acc[i * K + k], channel, max_code, zero_point);
    }
  }
}

void requantize_add_ref(const std::int32_t* acc, const std::uint8_t* shortcut, std::int64_t rows,
                        std::int64_t K, const Multiplier* scale, const std::int32_t* shortcut_m,
                        bool per_channel, std::int32_t max_code, std::int32_t shortcut_zero,
                        std::int32_t zero_point, std::uint8_t* codes) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < K; ++k) {
      const std::int64_t channel = per_channel ? k : 0;
      codes[i * K + k] = requantize_add(acc[i * K + k], scale[channel], shortcut[i * K + k],
                                        shortcut_m[channel], max_code, shortcut_zero, zero_point);
    }
  }
}

void max_pool_ref(const std::uint8_t* codes, std::int64_t N, std::int64_t H, std::int64_t W,
                  std::int64_t C, std::int64_t kernel, std::int64_t stride, std::uint8_t* result) {
  const std::int64_t P = (H - kernel) / stride + 1, Q = (W - kernel) / stride + 1;

  for (std::int64_t n = 0; n < N; ++n) {
    for (std::int64_t p = 0; p < P; ++p) {
      for (std::int64_t q = 0; q < Q; ++q) {
        for (std::int64_t c = 0; c < C; ++c) {
          std::uint8_t largest = 0;
          for (std::int64_t r = 0; r < kernel; ++r) {
            for (std::int64_t s = 0; s < kernel; ++s) {
              const std::int64_t h = p * stride + r, w = q * stride + s;
              const std::uint8_t code = codes[((n * H + h) * W + w) * C + c];
              if (code > largest) largest = code;
            }
          }
          result[((n * P + p) * Q + q) * C + c] = largest;
        }
      }
    }
  }
}

std::int32_t argmax_ref(const std::int32_t* logits, std::int64_t classes) {
  std::int32_t best = 0;
  for (std::int32_t k = 1; k < classes; ++k) {
    if (logits[k] > logits[best]) best = k;
  }
  return best;
}

}  // namespace intandem
