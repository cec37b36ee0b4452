// One-bit layers by the kernel with vpopcntd: rows of words, panels of 16 channels.
#include <cstring>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/memory.hpp"
#include "quant/integer/binary/binary.hpp"
#include "quant/integer/binary/count_kernels.hpp"
#include "quant/integer/binary/driver.hpp"
#include "quant/integer/binary/thresholds.hpp"

#if defined(__x86_64__)
namespace intandem {
namespace {

constexpr std::int64_t kTaskPixels = 1024;
constexpr std::int64_t kLanes = kBinaryLanes;
constexpr std::int64_t kWordBytes = sizeof(std::uint32_t);

/// Words of a packed pixel, which come in pairs.
std::int64_t pixel_words(std::int64_t C) { return ceil_div(C, 64) * 2; }

class BinaryStripLayer final : public BinaryRows {
 public:
  explicit BinaryStripLayer(const IntLayer& layer)
      : BinaryRows(layer, {pixel_words(layer.shape.C) * kWordBytes, kLanes, kTaskPixels}),
        thresholds_(binary_thresholds(layer)) {
    const ConvShape& s = layer.shape;
    for (std::int64_t r = 0; r < s.R; ++r) {
      for (std::int64_t at = 0; at < s.S * format_.pixel_bytes; at += 2 * kWordBytes) {
        offsets_.push_back(r * row_bytes_ + at);
      }
    }
    pack();
  }

  std::string algorithm() const override { return "binary_avx512vpopcnt"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + thresholds_.size_bytes() + requant_data_.size_bytes();
  }
  Work work(std::int64_t N) const override;

 private:
  bool stores_codes() const override { return !thresholds_.limit.empty(); }
  void pack_pixels(const std::uint8_t* codes, std::int64_t count, std::byte* to) const override {
    binary_pack_avx512vpopcnt(codes, count, layer_.shape.C, reinterpret_cast<std::uint32_t*>(to));
  }
  void multiply(const Outputs& outputs) const override;
  std::int64_t panel_words() const { return window_bytes_ / kWordBytes * kLanes; }
  std::int64_t weight_bytes() const { return panels_ * panel_words() * kWordBytes; }
  void pack();

  std::vector<std::int64_t> offsets_;  // of the pairs of words of a window
  std::shared_ptr<std::byte> packed_;
  const BinaryThresholds thresholds_;  // padded to whole panels
};

/// A pair of words, 64 products, takes two and a half instructions per vector of channels.
Work BinaryStripLayer::work(std::int64_t N) const {
  const std::int64_t pairs = static_cast<std::int64_t>(offsets_.size());
  return {N * pixels() * panels_ * kLanes * (pairs + 5) * 10, packed_bytes()};
}

void BinaryStripLayer::pack() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  auto* weights = reinterpret_cast<std::uint32_t*>(packed_.get());
  for (std::int64_t k = 0; k < s.K; ++k) {
    std::uint32_t* channel = weights + k / kLanes * panel_words() + k % kLanes;
    for (std::int64_t i = 0; i < s.R * s.S * s.C; ++i) {
      if (layer_.weights[k * s.R * s.S * s.C + i] < 0) continue;
      const std::int64_t pair = (i / s.C * pixel_words(s.C) + i % s.C / 64 * 2) * kLanes;
      const std::uint32_t bit = 1u << (i % s.C % 32);
      if (i % s.C % 64 < 32) channel[pair] ^= bit;
      channel[pair + kLanes] ^= bit;
    }
  }
}

void BinaryStripLayer::multiply(const Outputs& o) const {
  BinaryStrip strip{};
  strip.bits = reinterpret_cast<const std::uint32_t*>(o.window);
  strip.step = step_bytes() / kWordBytes;
  strip.offsets = offsets_.data();
  strip.pixels = o.pixels;
  strip.pairs = static_cast<std::int64_t>(offsets_.size());
  strip.weights = reinterpret_cast<const std::uint32_t*>(packed_.get()) + o.panel * panel_words();
  strip.start = thresholds_.start.data() + o.channel;
  strip.limit = stores_codes() ? thresholds_.limit.data() + o.channel : nullptr;
  strip.codes = o.codes;
  strip.stride = layer_.shape.K;
  strip.channels = o.channels;
  strip.acc = o.acc;
  binary_strip_avx512vpopcnt(strip);
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer& layer) {
  if (!isa_includes(active_isa(), Isa::avx512vnni) || !__builtin_cpu_supports("avx512vpopcntdq"))
    return nullptr;
  return std::make_unique<BinaryStripLayer>(layer);
}

}  // namespace intandem
#else
namespace intandem {
std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer&) { return nullptr; }
}  // namespace intandem
#endif
