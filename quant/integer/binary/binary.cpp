// Driver of the one-bit kernels. A task is some output rows of an image: their input rows are
// packed to bits with their padding around them, in the worker's own memory, and windows are read
// where they lie. Images of one pixel, as a linear layer's, are the pixels of one row.
#include "quant/integer/binary/binary.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/binary/kernels.hpp"
#include "quant/integer/binary/thresholds.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTaskPixels = 1024;
constexpr std::int64_t kHeaderBytes = 64;
constexpr std::int64_t kStripPixels = 192;  // whose accumulators are on the stack
constexpr std::int64_t kLanes = kBinaryLanes, kWordBytes = sizeof(std::uint32_t);
// For the estimate: an output takes the time of so many pairs of words.
constexpr std::int64_t kOutputPairs = 5;

/// Words of a packed pixel, which come in pairs.
std::int64_t pixel_words(std::int64_t C) { return ceil_div(C, 64) * 2; }

class BinaryLayer final : public PreparedLayer {
 public:
  BinaryLayer(const IntLayer& layer, const BinaryKernel& kernel)
      : layer_(layer),
        kernel_(kernel),
        requant_data_(layer),
        thresholds_(binary_thresholds(layer)),
        flat_(layer.shape.is_linear() && layer.shape.pad == 0),
        pixel_bytes_(pixel_words(layer.shape.C) * kWordBytes),
        row_bytes_((layer.shape.W + 2 * layer.shape.pad) * pixel_bytes_),
        panels_(ceil_div(layer.shape.K, kLanes)) {
    const ConvShape& s = layer.shape;
    for (std::int64_t r = 0; r < s.R; ++r) {
      for (std::int64_t at = 0; at < s.S * pixel_bytes_; at += 2 * kWordBytes) {
        offsets_.push_back(r * row_bytes_ + at);
      }
    }
    pack_weights();
    // As many rows for every worker, in case there is but one image.
    const std::int64_t P = s.P();
    std::int64_t parts = ceil_div(pixels(), kTaskPixels);
    if (P % workers_ == 0 || P >= 16 * workers_) parts = std::min(P, round_up(parts, workers_));
    task_rows_ = ceil_div(P, parts);
  }

  std::string algorithm() const override { return std::string("binary_") + kernel_.isa; }
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + thresholds_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  Work work(std::int64_t N) const override {
    return {N * pixels() * panels_ * kLanes * (pairs() + kOutputPairs) * kernel_.pair_products,
            packed_bytes()};
  }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * worker_bytes(N) +
           (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t pairs() const { return static_cast<std::int64_t>(offsets_.size()); }
  std::int64_t panel_words() const { return 2 * pairs() * kLanes; }
  std::int64_t weight_bytes() const { return panels_ * panel_words() * kWordBytes; }
  /// From one window to the next. The pixels of a flat layer are images, whatever its stride.
  std::int64_t step_bytes() const { return (flat_ ? 1 : layer_.shape.stride) * pixel_bytes_; }
  /// The memory of one worker: the task it is at, its input rows.
  std::int64_t worker_bytes(std::int64_t N) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t rows = (task_rows_ - 1) * s.stride + s.R;
    return kHeaderBytes + round_up(flat_ ? N * pixel_bytes_ : rows * row_bytes_, 64);
  }
  void pack_weights();
  void run_row(const LayerRun& args, const std::byte* window, std::uint8_t* codes,
               std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const;

  const IntLayer layer_;
  const BinaryKernel& kernel_;
  const RequantData requant_data_;
  const BinaryThresholds thresholds_;           // padded to whole panels
  const bool flat_;                             // one pixel an image: one row of images
  const std::int64_t pixel_bytes_, row_bytes_;  // packed: a pixel, an image row with padding
  const std::int64_t panels_;
  const RequantFn requant_ = requant_function(active_isa());
  const std::int64_t workers_ = thread_count();
  std::int64_t task_rows_ = 0;
  std::vector<std::int64_t> offsets_;  // of the pairs of words of a window
  std::shared_ptr<std::byte> packed_;
};

void BinaryLayer::pack_weights() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  auto* weights = reinterpret_cast<std::uint32_t*>(packed_.get());
  for (std::int64_t k = 0; k < s.K; ++k) {
    std::uint32_t* channel = weights + k / kLanes * panel_words() + k % kLanes;
    for (std::int64_t i = 0; i < s.reduction(); ++i) {
      if (layer_.weights[k * s.reduction() + i] < 0) continue;
      const std::int64_t pair = (i / s.C * pixel_words(s.C) + i % s.C / 64 * 2) * kLanes;
      const std::uint32_t bit = 1u << (i % s.C % 32);
      if (i % s.C % 64 < 32) channel[pair] ^= bit;
      channel[pair + kLanes] ^= bit;
    }
  }
}

/// `pixels` neighbouring outputs from index `pixel` on, the first one's window at `window`.
void BinaryLayer::run_row(const LayerRun& args, const std::byte* window, std::uint8_t* codes,
                          std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const {
  const std::int64_t K = layer_.shape.K, k = panel * kLanes, channels = std::min(kLanes, K - k);
  const bool stores_codes = !thresholds_.limit.empty();
  const std::int64_t most = stores_codes ? pixels : kStripPixels;
  alignas(64) std::int32_t acc[kStripPixels * kLanes];
  for (std::int64_t q = 0; q < pixels; q += most) {
    const std::int64_t out = (pixel + q) * K + k, count = std::min(most, pixels - q);
    BinaryStrip strip{};
    strip.bits = reinterpret_cast<const std::uint32_t*>(window + q * step_bytes());
    strip.step = step_bytes() / kWordBytes;
    strip.offsets = offsets_.data();
    strip.pixels = count;
    strip.pairs = pairs();
    strip.weights = reinterpret_cast<const std::uint32_t*>(packed_.get()) + panel * panel_words();
    strip.start = thresholds_.start.data() + k;
    strip.limit = stores_codes ? thresholds_.limit.data() + k : nullptr;
    strip.codes = codes == nullptr ? nullptr : codes + out;
    strip.stride = K;
    strip.channels = channels;
    strip.acc = acc;
    kernel_.strip(strip);
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < count; ++i) {
        std::copy_n(acc + i * kLanes, channels, args.accumulators + out + i * K);
      }
    } else if (!stores_codes) {
      requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, count, channels,
                kLanes, K, requant_data_.from(k)});
    }
  }
}

void BinaryLayer::run(const LayerRun& args) const {
  if (args.N == 0) return;
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  const std::int64_t own_bytes = worker_bytes(args.N);
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * own_bytes : args.codes;
  const std::int64_t images = flat_ ? 1 : args.N, P = s.P(), Q = flat_ ? args.N : s.Q();
  const std::int64_t parts = ceil_div(P, task_rows_);
  const auto task_in = [&](std::int64_t worker) -> std::int64_t& {
    return *reinterpret_cast<std::int64_t*>(args.scratch + worker * own_bytes);
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) task_in(worker) = -1;
  const auto pack = [&](const std::uint8_t* from, std::int64_t count, std::uint32_t* to) {
    kernel_.pack(from, count, s.C, to);
  };
  const auto run_panel = [&](std::int64_t worker, std::int64_t i) {
    const std::int64_t task = i / panels_, n = task / parts, part = task % parts;
    const std::int64_t first = P * part / parts, last = P * (part + 1) / parts;
    std::byte* const rows = args.scratch + worker * own_bytes + kHeaderBytes;
    if (task_in(worker) != task) {
      pack_padded_rows(s, flat_ ? args.N : s.W, layer_.pad_code.data(),
                       args.input + n * s.H * s.W * s.C, first * s.stride - s.pad,
                       (last - first - 1) * s.stride + s.R, pixel_words(s.C), pack,
                       reinterpret_cast<std::uint32_t*>(rows));
      task_in(worker) = task;
    }
    for (std::int64_t p = first; p < last; ++p) {
      run_row(args, rows + (p - first) * s.stride * row_bytes_, codes, (n * P + p) * Q, Q,
              i % panels_);
    }
  };
  if (flat_) {
    // Weights from memory: long stretches, and little to do for a thread that is late.
    const std::int64_t workers = linear_workers(s, args.N, workers_);
    SharedRange left(panels_, workers);
    parallel_workers(workers, [&](std::int64_t worker) {
      for (std::int64_t begin = 0, end = 0; left.take(begin, end);) {
        for (std::int64_t i = begin; i < end; ++i) run_panel(worker, i);
      }
    });
  } else {
    parallel_tasks(workers_, images * parts * panels_, run_panel);
  }
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

bool is_binary(const IntLayer& layer) {
  const auto is_one = [](std::int8_t q) { return q == 1 || q == -1; };
  return layer.kind != IntLayerKind::avg_pool && layer.shape.groups == 1 && layer.in_max == 1 &&
         std::all_of(layer.weights.begin(), layer.weights.end(), is_one) &&
         std::all_of(layer.pad_code.begin(), layer.pad_code.end(), [](auto c) { return c <= 1; });
}

/// The kernel of active_isa(), or null. Not all CPUs with AVX-512 VNNI count bits.
const BinaryKernel* binary_kernel() {
#if defined(__x86_64__)
  static constexpr BinaryKernel kVpopcnt = {"avx512vpopcnt", binary_strip_avx512vpopcnt,
                                            binary_pack_avx2, 10};
  static constexpr BinaryKernel kAvx2 = {"avx2", binary_strip_avx2, binary_pack_avx2, 34};
  if (isa_includes(active_isa(), Isa::avx512vnni) && __builtin_cpu_supports("avx512vpopcntdq")) {
    return &kVpopcnt;
  }
  if (isa_includes(active_isa(), Isa::avx2)) return &kAvx2;
#endif
  return nullptr;
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer) {
  const BinaryKernel* kernel = binary_kernel();
  if (kernel == nullptr || !is_binary(layer)) return nullptr;
  return std::make_unique<BinaryLayer>(layer, *kernel);
}

}  // namespace intandem
