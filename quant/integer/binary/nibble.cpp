// One-bit layers by the kernel that looks nibbles up: rows of nibbles, panels of 64 channels.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/memory.hpp"
#include "quant/integer/binary/binary.hpp"
#include "quant/integer/binary/driver.hpp"
#include "quant/integer/binary/nibble_kernels.hpp"
#include "quant/integer/binary/thresholds.hpp"

#if defined(__x86_64__)
namespace intandem {
namespace {

constexpr std::int64_t kTaskPixels = 512;

class BinaryNibbleLayer final : public BinaryRows {
 public:
  explicit BinaryNibbleLayer(const IntLayer& layer)
      : BinaryRows(layer, {ceil_div(layer.shape.C, kNibble), kNibblePanel, kTaskPixels}) {
    cut_window();
    pack();
  }

  std::string algorithm() const override { return "binary_avx2"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + requant_data_.size_bytes() +
           static_cast<std::int64_t>(start_.size() * sizeof start_[0] +
                                     bounds_.size() * sizeof bounds_[0]);
  }
  Work work(std::int64_t N) const override;

 private:
  bool stores_codes() const override { return !bounds_.empty(); }
  void pack_pixels(const std::uint8_t* codes, std::int64_t count, std::byte* to) const override {
    nibble_pack_avx2(codes, count, layer_.shape.C, reinterpret_cast<std::uint8_t*>(to));
  }
  void multiply(const Outputs& outputs) const override;
  std::int64_t panel_width(std::int64_t panel) const override {
    const std::int64_t left = layer_.shape.K - panel * kNibblePanel;
    return left > kNibblePanel / 2 ? kNibblePanel : kNibblePanel / 2;
  }
  std::int64_t channels() const {  // padded to whole panels
    return (panels_ - 1) * kNibblePanel + panel_width(panels_ - 1);
  }
  std::int64_t weight_bytes() const { return channels() * window_bytes_; }
  void cut_window();
  void pack();

  std::vector<NibbleSpan> spans_;
  std::vector<std::int32_t> start_;    // as BinaryThresholds', whole panels
  std::vector<std::int16_t> bounds_;   // as NibbleStrip's, whole panels
  std::shared_ptr<std::byte> packed_;  // [panels][window_bytes_][width]
};

/// A nibble, four products, takes three instructions.
Work BinaryNibbleLayer::work(std::int64_t N) const {
  return {N * pixels() * channels() * (window_bytes_ + 10) * 3 / 2, packed_bytes()};
}

void BinaryNibbleLayer::cut_window() {
  const ConvShape& s = layer_.shape;
  std::int64_t room = kMostNibbles;
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t i = 0; i < s.S * format_.pixel_bytes;) {
      const std::int64_t count = std::min(room, s.S * format_.pixel_bytes - i);
      room -= count;
      spans_.push_back({r * row_bytes_ + i, count, room == 0});
      i += count;
      if (room == 0) room = kMostNibbles;
    }
  }
  spans_.back().ends = true;
}

void BinaryNibbleLayer::pack() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  const BinaryThresholds thresholds = binary_thresholds(layer_);
  start_.resize(static_cast<std::size_t>(channels()));
  if (!thresholds.limit.empty()) bounds_.resize(start_.size());
  for (std::int64_t k = 0; k < s.K; ++k) {
    const std::int64_t panel = k / kNibblePanel, i = k % kNibblePanel;
    const std::int64_t width = panel_width(panel);
    auto* to =
        reinterpret_cast<std::uint8_t*>(packed_.get()) + panel * kNibblePanel * window_bytes_ + i;
    const std::int8_t* q = layer_.weights.data() + k * s.reduction();
    for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
      for (std::int64_t c = 0; c < s.C; ++c) {
        const int bit = *q++ > 0 ? 1 << c % kNibble : 0;
        to[(tap * format_.pixel_bytes + c / kNibble) * width] |= static_cast<std::uint8_t>(bit);
      }
    }
    start_[static_cast<std::size_t>(k)] = thresholds.start[k];
    if (bounds_.empty()) continue;
    // Channels 0–7, 16–23, 8–15, 24–31: the middle two of four eights change places.
    const std::int64_t eight = k / 8 % 4, at = eight == 1 ? k + 8 : eight == 2 ? k - 8 : k;
    bounds_[static_cast<std::size_t>(at)] = static_cast<std::int16_t>(thresholds.limit[k] + 1);
  }
}

void BinaryNibbleLayer::multiply(const Outputs& o) const {
  NibbleStrip strip{};
  strip.codes = reinterpret_cast<const std::uint8_t*>(o.window);
  strip.step = step_bytes();
  strip.pixels = o.pixels;
  strip.spans = spans_.data();
  strip.span_count = static_cast<std::int64_t>(spans_.size());
  strip.weights = reinterpret_cast<const std::uint8_t*>(packed_.get()) + o.channel * window_bytes_;
  strip.width = panel_width(o.panel);
  strip.bounds = stores_codes() ? bounds_.data() + o.channel : nullptr;
  strip.out = o.codes;
  strip.stride = layer_.shape.K;
  strip.channels = o.channels;
  strip.start = start_.data() + o.channel;
  strip.acc = o.acc;
  nibble_strip_avx2(strip);
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary_nibble(const IntLayer& layer) {
  if (!isa_includes(active_isa(), Isa::avx2)) return nullptr;
  const ConvShape& s = layer.shape;
  if (s.R * s.S * ceil_div(s.C, kNibble) > kMostWindowNibbles) return nullptr;
  return std::make_unique<BinaryNibbleLayer>(layer);
}

}  // namespace intandem
#else
namespace intandem {
std::unique_ptr<PreparedLayer> prepare_binary_nibble(const IntLayer&) { return nullptr; }
}  // namespace intandem
#endif
