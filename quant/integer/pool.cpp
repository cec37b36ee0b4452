// Pooling on codes: blocks of contiguous channels, kept in vector registers.
#include <algorithm>
#include <cstring>

#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

class AvgPoolLayer final : public PreparedLayer {
 public:
  explicit AvgPoolLayer(const IntLayer& layer)
      : layer_(layer), requant_data_(layer), requant_(requant_function(active_isa())) {}

  std::string algorithm() const override { return "direct_avg_pool"; }
  std::int64_t packed_bytes() const override { return requant_data_.size_bytes(); }
  std::int64_t executed_macs() const override {
    const ConvShape& s = layer_.shape;
    return s.P() * s.Q() * s.R * s.S * s.C;
  }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return layer_.pool_kernel == 0 ? 0 : N * outputs();
  }

  void run(const LayerRun& args) const override {
    const ConvShape& s = layer_.shape;
    const std::int64_t P = s.P(), Q = s.Q(), pixels = args.N * P * Q;
    auto* codes =
        layer_.pool_kernel == 0 ? args.codes : reinterpret_cast<std::uint8_t*>(args.scratch);
    parallel_for(pixels, 8, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::int64_t n = i / (P * Q), p = i / Q % P, q = i % Q;
        const std::uint8_t* corner =
            args.input + ((n * s.H + p * s.stride) * s.W + q * s.stride) * s.C;
        run_pixel(args, corner, i, codes);
      }
    });
    if (layer_.pool_kernel > 0) {
      max_pool(codes, args.N, P, Q, s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
    }
  }

 private:
  static constexpr std::int64_t kBlock = 64;  // channels, a multiple of the tables' 16

  std::int64_t outputs() const { return layer_.shape.P() * layer_.shape.Q() * layer_.shape.K; }

  void run_pixel(const LayerRun& args, const std::uint8_t* corner, std::int64_t pixel,
                 std::uint8_t* codes) const {
    const ConvShape& s = layer_.shape;
    for (std::int64_t c0 = 0; c0 < s.C; c0 += kBlock) {
      const std::int64_t channels = std::min(kBlock, s.C - c0);
      alignas(64) std::int32_t sum[kBlock] = {};
      if (!layer_.bias.empty()) std::copy_n(layer_.bias.data() + c0, channels, sum);
      for (std::int64_t r = 0; r < s.R; ++r) {
        for (std::int64_t t = 0; t < s.S; ++t) {
          const std::uint8_t* x = corner + (r * s.W + t) * s.C + c0;
          for (std::int64_t c = 0; c < channels; ++c) sum[c] += x[c];
        }
      }
      const std::int64_t out = pixel * s.C + c0;
      if (layer_.is_last()) {
        std::copy(sum, sum + channels, args.accumulators + out);
        continue;
      }
      const std::uint8_t* shortcut = layer_.add >= 0 ? args.shortcut + out : nullptr;
      requant_({sum, shortcut, codes + out, 1, channels, kBlock, s.C, requant_data_.from(c0)});
    }
  }

  const IntLayer layer_;
  const RequantData requant_data_;
  const RequantFn requant_;
};

/// A vector every CPU has (GCC's vector extension); the maximum is one instruction.
using Codes16 [[gnu::vector_size(16)]] = std::uint8_t;

Codes16 load16(const std::uint8_t* x) {
  Codes16 codes;
  std::memcpy(&codes, x, sizeof codes);
  return codes;
}

/// The largest code of a window of kernel × kernel pixels, row_stride from row to row, for `C`
/// channels. The last block of 16 channels overlaps the one before it.
void max_window(const std::uint8_t* corner, std::int64_t row_stride, std::int64_t C,
                std::int64_t kernel, std::uint8_t* out) {
  if (C < 16) {
    for (std::int64_t c = 0; c < C; ++c) {
      std::uint8_t best = corner[c];
      for (std::int64_t r = 0; r < kernel; ++r) {
        for (std::int64_t s = 0; s < kernel; ++s) {
          best = std::max(best, corner[r * row_stride + s * C + c]);
        }
      }
      out[c] = best;
    }
    return;
  }
  for (std::int64_t block = 0; block < C; block += 16) {
    const std::int64_t c = std::min(block, C - 16);
    Codes16 best = load16(corner + c);
    for (std::int64_t r = 0; r < kernel; ++r) {
      for (std::int64_t s = 0; s < kernel; ++s) {
        const Codes16 codes = load16(corner + r * row_stride + s * C + c);
        best = codes > best ? codes : best;
      }
    }
    std::memcpy(out + c, &best, sizeof best);
  }
}

}  // namespace

void max_pool(const std::uint8_t* codes, std::int64_t N, std::int64_t H, std::int64_t W,
              std::int64_t C, std::int64_t kernel, std::int64_t stride, std::uint8_t* result) {
  const std::int64_t P = (H - kernel) / stride + 1, Q = (W - kernel) / stride + 1;
  parallel_for(N * P, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::uint8_t* top = codes + (i / P * H + i % P * stride) * W * C;
      for (std::int64_t q = 0; q < Q; ++q) {
        max_window(top + q * stride * C, W * C, C, kernel, result + (i * Q + q) * C);
      }
    }
  });
}

std::unique_ptr<PreparedLayer> prepare_avg_pool(const IntLayer& layer) {
  if (layer.kind != IntLayerKind::avg_pool || active_isa() == Isa::ref) return nullptr;
  return std::make_unique<AvgPoolLayer>(layer);
}

}  // namespace intandem
