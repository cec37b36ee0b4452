// Depthwise convolution on codes: pixel by pixel, all channels at once, requantized in small
// blocks.
#include <algorithm>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/grouped/depthwise_kernels.hpp"
#include "quant/integer/grouped/grouped.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMostTaps = 64;
constexpr std::int64_t kPixels = 8, kChannels = 64;  // of a block of accumulators

class DepthwiseLayer final : public PreparedLayer {
 public:
  DepthwiseLayer(const IntLayer& layer, DepthwiseFn pixel)
      : layer_(layer),
        pixel_(pixel),
        taps_(layer.shape.R * layer.shape.S),
        pairs_(ceil_div(taps_, 2)),
        weights_(static_cast<std::size_t>(2 * pairs_ * layer.shape.C)),
        pad_code_(layer.pad_code.empty() ? TensorU8::zeros({layer.shape.C}) : layer.pad_code),
        requant_data_(layer),
        requant_(requant_function(active_isa())) {
    for (std::int64_t c = 0; c < layer.shape.C; ++c) {
      for (std::int64_t t = 0; t < taps_; ++t) {
        const std::int64_t at = (t / 2 * layer.shape.C + c) * 2 + t % 2;
        weights_[static_cast<std::size_t>(at)] = layer.weights[c * taps_ + t];
      }
    }
  }

  std::string algorithm() const override { return "depthwise_avx2"; }
  std::string reason() const override { return "every channel has its own filter"; }
  std::int64_t packed_bytes() const override {
    return static_cast<std::int64_t>(weights_.size() * sizeof(std::int16_t)) +
           layer_.bias.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return layer_.pool_kernel == 0 ? 0 : N * layer_.shape.P() * layer_.shape.Q() * layer_.shape.K;
  }

  void run(const LayerRun& args) const override {
    const ConvShape& s = layer_.shape;
    const std::int64_t P = s.P(), Q = s.Q();
    const bool pools = layer_.pool_kernel > 0;
    auto* codes = pools ? reinterpret_cast<std::uint8_t*>(args.scratch) : args.codes;
    parallel_for(args.N * P, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t np = begin; np < end; ++np) {
        for (std::int64_t q = 0; q < Q; q += kPixels) {
          run_pixels(args, np, q, std::min(kPixels, Q - q), codes);
        }
      }
    });
    if (pools) {
      max_pool(codes, args.N, P, Q, s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
    }
  }

 private:
  /// Pixels q … q + count − 1 of output row np.
  void run_pixels(const LayerRun& args, std::int64_t np, std::int64_t q, std::int64_t count,
                  std::uint8_t* codes) const {
    const ConvShape& s = layer_.shape;
    const std::uint8_t* taps[kPixels][kMostTaps];
    for (std::int64_t i = 0; i < count; ++i) find_taps(args.input, np, q + i, taps[i]);
    alignas(64) std::int32_t sums[kPixels * kChannels];
    for (std::int64_t c = 0; c < s.C; c += kChannels) {
      const std::int64_t channels = std::min(kChannels, s.C - c);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint8_t* from[kMostTaps];
        for (std::int64_t t = 0; t < 2 * pairs_; ++t) from[t] = taps[i][t] + c;
        pixel_({from, weights_.data() + 2 * c, 2 * s.C, pairs_, channels, layer_.bias.data() + c,
                sums + i * kChannels});
      }
      const std::int64_t out = (np * s.Q() + q) * s.C + c;
      if (layer_.is_last()) {
        for (std::int64_t i = 0; i < count; ++i) {
          std::copy_n(sums + i * kChannels, channels, args.accumulators + out + i * s.C);
        }
      } else {
        requant_({sums, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, count,
                  channels, kChannels, s.C, requant_data_.from(c)});
      }
    }
  }

  /// The pixels under the taps; outside the image the padding, which also stands in for the tap
  /// that an odd number of them lacks (its weight is 0).
  void find_taps(const std::uint8_t* input, std::int64_t np, std::int64_t q,
                 const std::uint8_t** taps) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t n = np / s.P(), top = np % s.P() * s.stride - s.pad;
    const std::int64_t left = q * s.stride - s.pad;
    taps[2 * pairs_ - 1] = pad_code_.data();
    for (std::int64_t r = 0; r < s.R; ++r) {
      const std::int64_t h = top + r;
      const std::int64_t row = ((n * s.H + h) * s.W + left) * s.C;
      for (std::int64_t t = 0; t < s.S; ++t) {
        const std::int64_t w = left + t;
        const bool inside = h >= 0 && h < s.H && w >= 0 && w < s.W;
        *taps++ = inside ? input + row + t * s.C : pad_code_.data();
      }
    }
  }

  const IntLayer layer_;
  const DepthwiseFn pixel_;
  const std::int64_t taps_, pairs_;
  std::vector<std::int16_t> weights_;  // [pairs][C][2]
  const TensorU8 pad_code_;
  const RequantData requant_data_;
  const RequantFn requant_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_depthwise(const IntLayer& layer) {
  static constexpr KernelRow<DepthwiseFn> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx2, depthwise_pixel_avx2},
#endif
    {Isa::ref, nullptr},
  };
  const DepthwiseFn pixel = choose_kernel(kTable);
  const ConvShape& s = layer.shape;
  if (pixel == nullptr || !s.is_depthwise() || s.R * s.S > kMostTaps) return nullptr;
  return std::make_unique<DepthwiseLayer>(layer, pixel);
}

}  // namespace intandem
