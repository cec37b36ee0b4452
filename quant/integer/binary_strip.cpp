// Driver of the one-bit kernel with vpopcntd. A task is some output rows of an image: their input
// rows become bits with their padding around them, in the worker's own memory, and windows are read
// where they lie. The images of a linear layer are the pixels of one row.
#include <algorithm>
#include <cstring>

#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/binary.hpp"
#include "quant/integer/binary_kernels.hpp"
#include "quant/integer/binary_thresholds.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant_block.hpp"

#if defined(__x86_64__)
namespace intandem {
namespace {

constexpr std::int64_t kTaskPixels = 1024;
constexpr std::int64_t kHeaderBytes = 64;
constexpr std::int64_t kStripPixels = 64;  // of accumulators on the stack
constexpr std::int64_t kLanes = kBinaryLanes;

class BinaryStripLayer final : public PreparedLayer {
 public:
  explicit BinaryStripLayer(const IntLayer& layer)
      : layer_(layer), requant_data_(layer), requant_(requant_function(active_isa())) {
    const ConvShape& s = layer.shape;
    pixel_words_ = (s.C + 63) / 64 * 2;
    row_words_ = (s.W + 2 * s.pad) * pixel_words_;
    panel_words_ = s.R * s.S * pixel_words_ * kLanes;
    panels_ = (s.K + kLanes - 1) / kLanes;
    flat_ = s.H == 1 && s.W == 1 && s.pad == 0;
    workers_ = thread_count();
    // As many rows for every worker, in case there is but one image.
    std::int64_t parts = (pixels() + kTaskPixels - 1) / kTaskPixels;
    if (s.P() % workers_ == 0 || s.P() >= 16 * workers_) {
      parts = std::min(s.P(), (parts + workers_ - 1) / workers_ * workers_);
    }
    strip_rows_ = (s.P() + parts - 1) / parts;
    for (std::int64_t r = 0; r < s.R; ++r) {
      for (std::int64_t word = 0; word < s.S * pixel_words_; word += 2) {
        offsets_.push_back((r * row_words_ + word) * std::int64_t{sizeof(std::uint32_t)});
      }
    }
    pack();
  }

  std::string algorithm() const override { return "binary_avx512vpopcnt"; }
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + thresholds_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t cost(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * strip_bytes(N) + (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  /// The memory of one worker: the task it is at, its input rows.
  std::int64_t strip_bytes(std::int64_t N) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t words =
        flat_ ? N * pixel_words_ : ((strip_rows_ - 1) * s.stride + s.R) * row_words_;
    return kHeaderBytes + (words * std::int64_t{sizeof(std::uint32_t)} + 63) / 64 * 64;
  }
  std::int64_t weight_bytes() const {
    return panels_ * panel_words_ * std::int64_t{sizeof(std::uint32_t)};
  }
  void pack();
  void pack_rows(const LayerRun& args, std::int64_t n, std::int64_t top, std::int64_t count,
                 std::uint32_t* words) const;
  void run_row(const LayerRun& args, const std::uint32_t* window, std::uint8_t* codes,
               std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const;

  const IntLayer layer_;
  const RequantData requant_data_;
  const RequantFn requant_;
  std::int64_t pixel_words_ = 0, row_words_ = 0;  // of a packed pixel, a padded image row
  std::int64_t panel_words_ = 0, panels_ = 0;
  bool flat_ = false;
  std::int64_t strip_rows_ = 0, workers_ = 1;  // output rows of a task
  std::vector<std::int64_t> offsets_;          // of the pairs of words of a window
  std::shared_ptr<std::byte> packed_;
  BinaryThresholds thresholds_;  // padded to whole panels
};

/// In products of the direct algorithm, about 110 per cycle: a pair of words takes 5 operations, an
/// output 12 more, and two are executed per cycle; an input word takes about three cycles.
std::int64_t BinaryStripLayer::cost(std::int64_t N) const {
  constexpr std::int64_t kPerOperation = 55, kPerInputWord = 330;
  const ConvShape& s = layer_.shape;
  const std::int64_t window_pairs = s.R * s.S * pixel_words_ / 2;
  return N * (pixels() * panels_ * (5 * window_pairs + 12) * kPerOperation +
              s.H * s.W * pixel_words_ * kPerInputWord);
}

void BinaryStripLayer::pack() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  auto* weights = reinterpret_cast<std::uint32_t*>(packed_.get());
  for (std::int64_t k = 0; k < s.K; ++k) {
    std::uint32_t* channel = weights + k / kLanes * panel_words_ + k % kLanes;
    for (std::int64_t i = 0; i < s.R * s.S * s.C; ++i) {
      if (layer_.weights[k * s.R * s.S * s.C + i] < 0) continue;
      const std::int64_t pair = (i / s.C * pixel_words_ + i % s.C / 64 * 2) * kLanes;
      const std::uint32_t bit = 1u << (i % s.C % 32);
      if (i % s.C % 64 < 32) channel[pair] ^= bit;
      channel[pair + kLanes] ^= bit;
    }
  }
  thresholds_ = binary_thresholds(layer_);
}

/// `count` rows of image n from row `top` on, which may lie outside it, as words
/// [count][W + 2·pad][pixel_words_].
void BinaryStripLayer::pack_rows(const LayerRun& args, std::int64_t n, std::int64_t top,
                                 std::int64_t count, std::uint32_t* words) const {
  const ConvShape& s = layer_.shape;
  const auto pack = [&](const std::uint8_t* codes, std::int64_t pixels, std::uint32_t* to) {
    binary_pack_avx512vpopcnt(codes, pixels, s.C, to);
  };
  pack_padded_rows(s, flat_ ? args.N : s.W, layer_.pad_code.data(),
                   args.input + n * s.H * s.W * s.C, top, count, pixel_words_, pack, words);
}

/// `pixels` neighbouring outputs from index `pixel` on, the first one's window at `window`.
void BinaryStripLayer::run_row(const LayerRun& args, const std::uint32_t* window,
                               std::uint8_t* codes, std::int64_t pixel, std::int64_t pixels,
                               std::int64_t panel) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t k = panel * kLanes;
  BinaryStrip strip{};
  strip.step = s.stride * pixel_words_;
  strip.offsets = offsets_.data();
  strip.pairs = static_cast<std::int64_t>(offsets_.size());
  strip.weights = reinterpret_cast<const std::uint32_t*>(packed_.get()) + panel * panel_words_;
  strip.start = thresholds_.start.data() + k;
  strip.limit = thresholds_.limit.empty() ? nullptr : thresholds_.limit.data() + k;
  strip.stride = s.K;
  strip.channels = std::min(kLanes, s.K - k);
  alignas(64) std::int32_t acc[kStripPixels * kLanes];
  strip.acc = acc;
  for (std::int64_t q = 0; q < pixels; q += kStripPixels) {
    const std::int64_t out = (pixel + q) * s.K + k;
    strip.bits = window + q * strip.step;
    strip.pixels = std::min(kStripPixels, pixels - q);
    strip.codes = codes + out;
    binary_strip_avx512vpopcnt(strip);
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < strip.pixels; ++i) {
        std::copy_n(acc + i * kLanes, strip.channels, args.accumulators + out + i * s.K);
      }
    } else if (thresholds_.limit.empty()) {
      requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, strip.pixels,
                strip.channels, kLanes, s.K, requant_data_.from(k)});
    }
  }
}

void BinaryStripLayer::run(const LayerRun& args) const {
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * strip_bytes(args.N)
            : args.codes;
  const std::int64_t images = flat_ ? 1 : args.N, P = s.P(), Q = flat_ ? args.N : s.Q();
  const std::int64_t parts = (P + strip_rows_ - 1) / strip_rows_, tasks = images * parts;
  const auto memory = [&](std::int64_t worker) {
    return args.scratch + worker * strip_bytes(args.N);
  };
  const auto packed = [&](std::int64_t worker) -> std::int64_t& {
    return *reinterpret_cast<std::int64_t*>(memory(worker));
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) packed(worker) = -1;
  const auto run_panel = [&](std::int64_t worker, std::int64_t i) {
    const std::int64_t task = i / panels_, n = task / parts, part = task % parts;
    const std::int64_t first = P * part / parts, last = P * (part + 1) / parts;
    auto* bits = reinterpret_cast<std::uint32_t*>(memory(worker) + kHeaderBytes);
    if (packed(worker) != task) {
      const std::int64_t count = (last - first - 1) * s.stride + s.R;
      pack_rows(args, n, first * s.stride - s.pad, count, bits);
      packed(worker) = task;
    }
    for (std::int64_t p = first; p < last; ++p) {
      run_row(args, bits + (p - first) * s.stride * row_words_, codes, (n * P + p) * Q, Q,
              i % panels_);
    }
  };
  if (flat_) {
    // Weights from memory: long stretches, and little to do for a thread that is late.
    const std::int64_t workers = args.N * s.macs() < kSharedLinearMacs ? 1 : workers_;
    SharedRange left(panels_, workers);
    parallel_workers(workers, [&](std::int64_t worker) {
      for (std::int64_t begin = 0, end = 0; left.take(begin, end);) {
        for (std::int64_t i = begin; i < end; ++i) run_panel(worker, i);
      }
    });
  } else {
    parallel_tasks(workers_, tasks * panels_, run_panel);
  }
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer& layer) {
  if (active_isa() < Isa::avx512vnni || !__builtin_cpu_supports("avx512vpopcntdq")) return nullptr;
  return std::make_unique<BinaryStripLayer>(layer);
}

}  // namespace intandem
#else
namespace intandem {
std::unique_ptr<PreparedLayer> prepare_binary_strips(const IntLayer&) { return nullptr; }
}  // namespace intandem
#endif
