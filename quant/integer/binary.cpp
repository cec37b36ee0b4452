#include "quant/integer/binary.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/binary_kernels.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/requant_block.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kWindowWords = 8192;      // of the windows of one task, on the stack
constexpr std::int64_t kMostWindowWords = 2048;  // of one window
constexpr std::int64_t kTaskPixels = 32;
constexpr std::int64_t kGroupPanels = 16;        // of one pixel's accumulators, on the stack
constexpr std::int64_t kGroupBytes = 24 * 1024;  // weights that stay in the nearest cache
constexpr std::int64_t kLanes = kBinaryLanes;

const BinaryKernels& binary_kernels() {
  static constexpr BinaryKernels ref = {"ref", binary_count_ref, binary_pack_ref};
#if defined(__x86_64__)
  static constexpr BinaryKernels avx2 = {"avx2", binary_count_avx2, binary_pack_avx2};
  static constexpr BinaryKernels avx512 = {"avx512", binary_count_avx512, binary_pack_avx2};
  if (active_isa() >= Isa::avx512) return avx512;
  if (active_isa() >= Isa::avx2) return avx2;
#endif
  return ref;
}

class BinaryLayer final : public PreparedLayer {
 public:
  explicit BinaryLayer(const IntLayer& layer)
      : layer_(layer),
        kernels_(binary_kernels()),
        requant_data_(layer),
        requant_(requant_function(active_isa())) {
    const ConvShape& s = layer.shape;
    pixel_words_ = (s.C + 31) / 32;
    row_words_ = (s.W + 2 * s.pad) * pixel_words_;
    words_ = round_up(s.R * s.S * pixel_words_, kBinaryStep);
    panels_ = (s.K + kLanes - 1) / kLanes;
    group_panels_ = std::clamp<std::int64_t>(
        kGroupBytes / (words_ * kLanes * std::int64_t{sizeof(std::uint32_t)}), 1, kGroupPanels);
    pack();
  }

  bool admissible() const { return words_ <= kMostWindowWords; }
  std::string algorithm() const override { return std::string("binary_") + kernels_.isa; }
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t cost(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return image_bytes(N) + (layer_.pool_kernel > 0 ? N * pixels() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t image_words() const { return (layer_.shape.H + 2 * layer_.shape.pad) * row_words_; }
  std::int64_t image_bytes(std::int64_t N) const {
    return round_up(N * image_words() * std::int64_t{sizeof(std::uint32_t)}, 64);
  }
  std::int64_t weight_bytes() const {
    return panels_ * words_ * kLanes * std::int64_t{sizeof(std::uint32_t)};
  }
  void pack();
  void pack_images(const LayerRun& args, std::uint32_t* bits) const;
  std::int32_t gather_window(const std::uint32_t* bits, std::int64_t pixel,
                             std::uint32_t* window) const;
  void run_pixels(const LayerRun& args, const std::uint32_t* bits, std::uint8_t* codes,
                  std::int64_t first, std::int64_t last, std::int64_t group_first,
                  std::int64_t group_last) const;

  const IntLayer layer_;
  const BinaryKernels& kernels_;
  const RequantData requant_data_;
  const RequantFn requant_;
  std::int64_t pixel_words_ = 0, row_words_ = 0;  // of a packed pixel, a padded image row
  std::int64_t words_ = 0;                        // of a window, padded with zeros
  std::int64_t panels_ = 0, group_panels_ = 0;
  std::shared_ptr<std::byte> packed_;
  TensorS32 bias_;  // padded to whole panels
};

/// In products of the direct algorithm, which executes about 110 per cycle: sixteen words take as
/// many ands, 15 full adders and a count; every output, with its last counts and its
/// requantization, as much as thirty words more. Calibrated on Cascade Lake.
std::int64_t BinaryLayer::cost(std::int64_t N) const {
  constexpr std::int64_t kPerWord = 12, kPerOutput = 400, kPerWindowWord = 250;
  const std::int64_t outputs = pixels() * panels_ * kLanes;
  const std::int64_t cost =
      N * (outputs * (words_ * kPerWord + kPerOutput) + pixels() * words_ * kPerWindowWord);
  return kernels_.count == binary_count_ref ? 100 * cost : cost;
}

void BinaryLayer::pack() {
  const ConvShape& s = layer_.shape;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  auto* weights = reinterpret_cast<std::uint32_t*>(packed_.get());
  for (std::int64_t k = 0; k < s.K; ++k) {
    for (std::int64_t tap = 0; tap < s.R * s.S; ++tap) {
      for (std::int64_t c = 0; c < s.C; ++c) {
        if (layer_.weights[(k * s.R * s.S + tap) * s.C + c] < 0) continue;
        const std::int64_t word = tap * pixel_words_ + c / 32;
        weights[(k / kLanes * words_ + word) * kLanes + k % kLanes] |= 1u << (c % 32);
      }
    }
  }
  bias_ = TensorS32::zeros({panels_ * kLanes});
  std::copy(layer_.bias.begin(), layer_.bias.end(), bias_.begin());
}

/// codes → bits [N][H + 2·pad][W + 2·pad][pixel_words_].
void BinaryLayer::pack_images(const LayerRun& args, std::uint32_t* bits) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t height = s.H + 2 * s.pad;
  parallel_for(args.N * height, 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t n = i / height, h = i % height - s.pad;
      std::uint32_t* word = bits + i * row_words_;
      for (std::int64_t w = -s.pad; w < s.W + s.pad; ++w, word += pixel_words_) {
        const bool inside = h >= 0 && h < s.H && w >= 0 && w < s.W;
        kernels_.pack(
            inside ? args.input + ((n * s.H + h) * s.W + w) * s.C : layer_.pad_code.data(), s.C,
            word);
      }
    }
  });
}

/// The words under the window of an output pixel, and how many of their bits are set.
std::int32_t BinaryLayer::gather_window(const std::uint32_t* bits, std::int64_t pixel,
                                        std::uint32_t* window) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t n = pixel / pixels(), p = pixel / s.Q() % s.P(), q = pixel % s.Q();
  const std::uint32_t* from =
      bits + n * image_words() + p * s.stride * row_words_ + q * s.stride * pixel_words_;
  const std::int64_t row = s.S * pixel_words_;
  for (std::int64_t r = 0; r < s.R; ++r) {
    std::memcpy(window + r * row, from + r * row_words_,
                static_cast<std::size_t>(row) * sizeof(std::uint32_t));
  }
  std::fill(window + s.R * row, window + words_, 0u);
  std::int32_t ones = 0;
  for (std::int64_t i = 0; i < words_; i += 2) {
    ones += std::popcount(window[i] | std::uint64_t{window[i + 1]} << 32);
  }
  return ones;
}

/// Groups of panels, whose weights stay in the cache while the pixels of a task pass.
void BinaryLayer::run_pixels(const LayerRun& args, const std::uint32_t* bits, std::uint8_t* codes,
                             std::int64_t first, std::int64_t last, std::int64_t group_first,
                             std::int64_t group_last) const {
  const std::int64_t K = layer_.shape.K;
  std::uint32_t windows[kWindowWords];
  std::int32_t ones[kTaskPixels];
  for (std::int64_t i = first; i < last; ++i) {
    ones[i - first] = gather_window(bits, i, windows + (i - first) * words_);
  }
  alignas(64) std::int32_t acc[kGroupPanels * kLanes];
  for (std::int64_t group = group_first; group < group_last; ++group) {
    const std::int64_t panel = group * group_panels_, k = panel * kLanes;
    const std::int64_t count = std::min(group_panels_, panels_ - panel);
    const std::int64_t channels = std::min(count * kLanes, K - k);
    const auto* weights =
        reinterpret_cast<const std::uint32_t*>(packed_.get()) + panel * words_ * kLanes;
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.count({windows + (i - first) * words_, words_, weights, count, bias_.data() + k,
                      ones[i - first], acc});
      if (layer_.is_last()) {
        std::copy(acc, acc + channels, args.accumulators + i * K + k);
      } else {
        requant_({acc, layer_.add >= 0 ? args.shortcut + i * K + k : nullptr, codes + i * K + k, 1,
                  channels, count * kLanes, K, requant_data_.from(k)});
      }
    }
  }
}

void BinaryLayer::run(const LayerRun& args) const {
  auto* bits = reinterpret_cast<std::uint32_t*>(args.scratch);
  const bool pools = layer_.pool_kernel > 0;
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + image_bytes(args.N) : args.codes;
  pack_images(args, bits);
  const std::int64_t all = args.N * pixels();
  const std::int64_t per_task = std::min(kTaskPixels, kWindowWords / words_);
  const std::int64_t tasks = (all + per_task - 1) / per_task;
  const std::int64_t groups = (panels_ + group_panels_ - 1) / group_panels_;
  // Too few pixels for all threads, as in a linear layer: share out the channels as well.
  const std::int64_t splits = tasks < 4 * thread_count() ? groups : 1;
  parallel_for(tasks * splits, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t first = task / splits * per_task, split = task % splits;
    run_pixels(args, bits, codes, first, std::min(all, first + per_task), groups * split / splits,
               groups * (split + 1) / splits);
  });
  if (pools) {
    max_pool(codes, args.N, layer_.shape.P(), layer_.shape.Q(), layer_.shape.K, layer_.pool_kernel,
             layer_.pool_stride, args.codes);
  }
}

}  // namespace

bool is_binary(const IntLayer& layer) {
  const auto is_one = [](std::int8_t q) { return q == 1 || q == -1; };
  return layer.kind != IntLayerKind::avg_pool && layer.shape.groups == 1 && layer.in_max == 1 &&
         std::all_of(layer.weights.begin(), layer.weights.end(), is_one) &&
         std::all_of(layer.pad_code.begin(), layer.pad_code.end(), [](auto c) { return c <= 1; });
}

std::unique_ptr<PreparedLayer> prepare_binary(const IntLayer& layer) {
  if (!is_binary(layer)) return nullptr;
  if (auto strips = prepare_binary_strips(layer)) return strips;
  auto prepared = std::make_unique<BinaryLayer>(layer);
  if (!prepared->admissible()) return nullptr;
  return prepared;
}

}  // namespace intandem
