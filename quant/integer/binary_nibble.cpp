// Driver of the one-bit kernel that looks nibbles up. A task is some output rows of an image and a
// panel of channels: their input rows become nibbles with the padding around them, in the worker's
// own memory, and windows are read where they lie. The images of a linear layer are the pixels of
// one row.
#include <algorithm>
#include <cstring>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/binary.hpp"
#include "quant/integer/binary_nibble_kernels.hpp"
#include "quant/integer/binary_thresholds.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant_block.hpp"

#if defined(__x86_64__)
namespace intandem {
namespace {

constexpr std::int64_t kTaskPixels = 512;
constexpr std::int64_t kHeaderBytes = 64;
constexpr std::int64_t kStripPixels = 48;  // of accumulators on the stack

class BinaryNibbleLayer final : public PreparedLayer {
 public:
  explicit BinaryNibbleLayer(const IntLayer& layer)
      : layer_(layer), requant_data_(layer), requant_(requant_function(active_isa())) {
    const ConvShape& s = layer.shape;
    flat_ = s.is_linear() && s.pad == 0;
    pixel_bytes_ = ceil_div(s.C, kNibble);
    row_bytes_ = (s.W + 2 * s.pad) * pixel_bytes_;
    window_bytes_ = s.R * s.S * pixel_bytes_;
    panels_ = ceil_div(s.K, kNibblePanel);
    workers_ = thread_count();
    // As many rows for every worker, in case there is but one image.
    std::int64_t parts = ceil_div(pixels(), kTaskPixels);
    if (s.P() % workers_ == 0 || s.P() >= 16 * workers_) {
      parts = std::min(s.P(), round_up(parts, workers_));
    }
    task_rows_ = ceil_div(s.P(), parts);
    cut_window();
    pack();
  }

  std::string algorithm() const override { return "nibble_avx2"; }
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + requant_data_.size_bytes() +
           static_cast<std::int64_t>(start_.size() * sizeof start_[0] +
                                     bounds_.size() * sizeof bounds_[0]);
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t cost(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * workspace_bytes(N) +
           (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t panel_width(std::int64_t panel) const {
    const std::int64_t left = layer_.shape.K - panel * kNibblePanel;
    return left > kNibblePanel / 2 ? kNibblePanel : kNibblePanel / 2;
  }
  std::int64_t channels() const {  // padded to whole panels
    return (panels_ - 1) * kNibblePanel + panel_width(panels_ - 1);
  }
  std::int64_t weight_bytes() const { return channels() * window_bytes_; }
  /// The memory of one worker: the task it is at, its input rows.
  std::int64_t workspace_bytes(std::int64_t N) const {
    const ConvShape& s = layer_.shape;
    return kHeaderBytes +
           round_up(flat_ ? N * pixel_bytes_ : ((task_rows_ - 1) * s.stride + s.R) * row_bytes_,
                    64);
  }
  void cut_window();
  void pack();
  void pack_rows(const LayerRun& args, std::int64_t n, std::int64_t top, std::int64_t count,
                 std::uint8_t* nibbles) const;
  void run_row(const LayerRun& args, const std::uint8_t* window, std::uint8_t* codes,
               std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const;

  const IntLayer layer_;
  const RequantData requant_data_;
  const RequantFn requant_;
  bool flat_ = false;
  std::int64_t pixel_bytes_ = 0, row_bytes_ = 0, window_bytes_ = 0;
  std::int64_t panels_ = 0, task_rows_ = 0, workers_ = 1;
  std::vector<NibbleSpan> spans_;
  std::vector<std::int32_t> start_;    // as BinaryThresholds', whole panels
  std::vector<std::int16_t> bounds_;   // as NibbleStrip's, whole panels
  std::shared_ptr<std::byte> packed_;  // [panels][window_bytes_][width]
};

/// In products of the direct algorithm that sums low bits in 16 bits. Calibrated on Zen 3. The
/// weights of a linear layer, twice the bytes of single bits, come from beyond the nearest caches.
std::int64_t BinaryNibbleLayer::cost(std::int64_t N) const {
  constexpr std::int64_t kPerNibble = 1, kPerOutput = 30, kPerInputNibble = 4, kPerWeightByte = 4;
  const ConvShape& s = layer_.shape;
  return N * (pixels() * channels() * (window_bytes_ * kPerNibble + kPerOutput) +
              s.H * s.W * pixel_bytes_ * kPerInputNibble) +
         (flat_ ? weight_bytes() * kPerWeightByte : 0);
}

void BinaryNibbleLayer::cut_window() {
  const ConvShape& s = layer_.shape;
  std::int64_t room = kMostNibbles;
  for (std::int64_t r = 0; r < s.R; ++r) {
    for (std::int64_t i = 0; i < s.S * pixel_bytes_;) {
      const std::int64_t count = std::min(room, s.S * pixel_bytes_ - i);
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
        to[(tap * pixel_bytes_ + c / kNibble) * width] |= static_cast<std::uint8_t>(bit);
      }
    }
    start_[static_cast<std::size_t>(k)] = thresholds.start[k];
    if (bounds_.empty()) continue;
    // Channels 0–7, 16–23, 8–15, 24–31: the middle two of four eights change places.
    const std::int64_t eight = k / 8 % 4, at = eight == 1 ? k + 8 : eight == 2 ? k - 8 : k;
    bounds_[static_cast<std::size_t>(at)] = static_cast<std::int16_t>(thresholds.limit[k] + 1);
  }
}

/// `count` rows of image n from row `top` on, which may lie outside it, as nibbles
/// [count][W + 2·pad][pixel_bytes_].
void BinaryNibbleLayer::pack_rows(const LayerRun& args, std::int64_t n, std::int64_t top,
                                  std::int64_t count, std::uint8_t* nibbles) const {
  const ConvShape& s = layer_.shape;
  const auto pack = [&](const std::uint8_t* codes, std::int64_t pixels, std::uint8_t* to) {
    nibble_pack_avx2(codes, pixels, s.C, to);
  };
  pack_padded_rows(s, flat_ ? args.N : s.W, layer_.pad_code.data(),
                   args.input + n * s.H * s.W * s.C, top, count, pixel_bytes_, pack, nibbles);
}

/// `pixels` neighbouring outputs from index `pixel` on, the first one's window at `window`.
void BinaryNibbleLayer::run_row(const LayerRun& args, const std::uint8_t* window,
                                std::uint8_t* codes, std::int64_t pixel, std::int64_t pixels,
                                std::int64_t panel) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t k = panel * kNibblePanel;
  alignas(64) std::int32_t acc[kStripPixels * kNibblePanel];
  NibbleStrip strip{};
  strip.step = s.stride * pixel_bytes_;
  strip.spans = spans_.data();
  strip.span_count = static_cast<std::int64_t>(spans_.size());
  strip.weights = reinterpret_cast<const std::uint8_t*>(packed_.get()) + k * window_bytes_;
  strip.width = panel_width(panel);
  strip.bounds = bounds_.empty() ? nullptr : bounds_.data() + k;
  strip.stride = s.K;
  strip.channels = std::min(strip.width, s.K - k);
  strip.start = start_.data() + k;
  strip.acc = acc;
  const std::int64_t most = bounds_.empty() ? kStripPixels : pixels;
  for (std::int64_t q = 0; q < pixels; q += most) {
    const std::int64_t out = (pixel + q) * s.K + k;
    strip.codes = window + q * strip.step;
    strip.pixels = std::min(most, pixels - q);
    strip.out = codes + out;
    nibble_strip_avx2(strip);
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < strip.pixels; ++i) {
        std::copy_n(acc + i * strip.width, strip.channels, args.accumulators + out + i * s.K);
      }
    } else if (bounds_.empty()) {
      requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, strip.pixels,
                strip.channels, strip.width, s.K, requant_data_.from(k)});
    }
  }
}

void BinaryNibbleLayer::run(const LayerRun& args) const {
  if (args.N == 0) return;
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  const std::int64_t own_bytes = workspace_bytes(args.N);
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * own_bytes : args.codes;
  const std::int64_t images = flat_ ? 1 : args.N, P = s.P(), Q = flat_ ? args.N : s.Q();
  const std::int64_t parts = ceil_div(P, task_rows_);
  const auto task_in = [&](std::int64_t worker) -> std::int64_t& {
    return *reinterpret_cast<std::int64_t*>(args.scratch + worker * own_bytes);
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) task_in(worker) = -1;
  parallel_tasks(workers_, images * parts * panels_, [&](std::int64_t worker, std::int64_t i) {
    const std::int64_t task = i / panels_, n = task / parts, part = task % parts;
    const std::int64_t first = P * part / parts, last = P * (part + 1) / parts;
    auto* nibbles =
        reinterpret_cast<std::uint8_t*>(args.scratch + worker * own_bytes + kHeaderBytes);
    if (task_in(worker) != task) {
      pack_rows(args, n, first * s.stride - s.pad, (last - first - 1) * s.stride + s.R, nibbles);
      task_in(worker) = task;
    }
    for (std::int64_t p = first; p < last; ++p) {
      run_row(args, nibbles + (p - first) * s.stride * row_bytes_, codes, (n * P + p) * Q, Q,
              i % panels_);
    }
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary_nibble(const IntLayer& layer) {
  if (active_isa() != Isa::avx2 || !is_binary(layer)) return nullptr;
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
