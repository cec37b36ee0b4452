// Driver of the direct kernels' strips: rows of outputs, requantized in registers.
//
// A task is some output rows of an image: their input rows are copied with the padding to their
// left and right, unless there is none, and its spare codes (strip_window.hpp) gathered. Else
// kernel rows above and below the image are not multiplied: what they would add, the weights times
// the codes of the padding, is the same for every output of a row and joins its bias.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "core/cpu.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/direct_pack.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant_block.hpp"
#include "quant/integer/strip_window.hpp"

namespace intandem {
namespace {

// Outputs of a task, while its input rows take no more than this.
constexpr std::int64_t kTaskPixels = 1024, kTaskBytes = 256 * 1024;
constexpr std::int64_t kShareMacs = 1 << 19;  // products worth sharing out by themselves
constexpr std::int64_t kFirstCacheBytes = 24 * 1024, kHalfVectorsCacheBytes = 28 * 1024;
constexpr std::int64_t kNearBytes = 40 * 1024;  // of weights that stay in the first-level cache
constexpr std::int64_t kHeaderBytes = 64;
// An input row: copied, with the spare codes of the output row that begins in it.
constexpr std::uint8_t kCopied = 1, kGathered = 2;
// Outputs of so many bytes are not in a cache any more when they are read; where they have so few
// groups of codes each, the time is that of writing them.
constexpr std::int64_t kStreamBytes = 32 << 20, kStreamGroups = 16;
// How a row may be cut: channels of a panel, pixels of a tile at most, and those that make it as
// fast as a full one, with weights in the first-level cache and with weights from the second.
struct Cut {
  std::int64_t width, most_pixels, least_pixels, least_pixels_far;
};
constexpr Cut kCuts[] = {{64, 7, 5, 6}, {32, 14, 9, 11}};
constexpr std::int64_t kLeastPixels = 3;  // of a row, AVX2 and half vectors

/// Of the weights of a panel, all kernel rows of whole groups.
std::int64_t panel_bytes(const ConvShape& s, std::int64_t width) {
  return s.R * round_up(s.S * s.C, kGroup) * width;
}

/// What a product of such tiles loads with half vectors, in hundredths of a vector: codes once per
/// pixel, weights once per vector, which takes three times as long from the second-level cache.
std::int64_t loads_of(const Cut& cut, const ConvShape& s) {
  const std::int64_t tiles = ceil_div(s.Q(), cut.most_pixels), vectors = cut.width / 16;
  const std::int64_t per_vector = panel_bytes(s, cut.width) > kHalfVectorsCacheBytes ? 3 : 1;
  return 100 * (per_vector * vectors * tiles + s.Q()) / (vectors * s.Q());
}

bool pads_with_zeros(const IntLayer& layer) {
  return std::all_of(layer.pad_code.begin(), layer.pad_code.end(),
                     [](std::uint8_t code) { return code == 0; });
}

/// Tiles of 7 × 64 channels read a vector of weights per pixel, those of 6 hold all in registers;
/// but tiles of fewer than five ask the second-level cache for more than it gives. (Not measured
/// with four vector ports.)
bool takes_sixes(std::int64_t Q) {
  return cpu_traits().vector_ports == VectorPorts::two && Q >= 5 * ceil_div(Q, 6);
}

class StripLayer final : public PreparedLayer {
 public:
  StripLayer(const IntLayer& layer, const DirectKernel& kernel, std::int64_t width)
      : layer_(layer),
        kernel_(kernel),
        code_bytes_(code_bytes(kernel.layout)),
        chunk_(narrow_chunk(layer)),
        width_(width),
        window_(make_strip_window(layer.shape, kernel.skips_edges && pads_with_zeros(layer))),
        weights_(pack_direct(layer, kernel.layout, width, window_.codes)),
        requant_data_(layer),
        copies_(layer.shape.pad > 0 || (layer.shape.S * layer.shape.C) % kGroup != 0 ||
                code_bytes_ > 1),
        sixes_(takes_sixes(layer.shape.Q())) {
    const ConvShape& s = layer.shape;
    parts_ = ceil_div(
        s.P(), std::clamp<std::int64_t>(
                   std::min(kTaskPixels / s.Q(), kTaskBytes / (s.stride * row_bytes())), 1, s.P()));
    add_padding_to_bias();
  }

  std::string algorithm() const override { return kernel_.name; }
  std::string reason() const override { return "rows of outputs"; }
  std::int64_t packed_bytes() const override {
    return weights_.bytes + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override;
  std::int64_t cost(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * worker_bytes() +
           (layer_.pool_kernel > 0 ? N * layer_.shape.P() * layer_.shape.Q() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  /// The kernel rows of an output row that are multiplied: those that lie inside the image, all
  /// where some share rows of spare codes.
  struct KernelRows {
    std::int64_t first, last;
    bool operator<(const KernelRows& o) const {
      return std::pair(first, last) < std::pair(o.first, o.last);
    }
  };
  KernelRows kernel_rows(std::int64_t p) const {
    const ConvShape& s = layer_.shape;
    if (!window_.spares.empty()) return {0, s.R};
    const std::int64_t top = p * s.stride - s.pad;
    const std::int64_t first = std::clamp<std::int64_t>(-top, 0, s.R);
    return {first, std::clamp<std::int64_t>(s.H - top, first, s.R)};
  }
  std::int64_t row_bytes() const { return window_.row_length * code_bytes_; }
  std::int64_t panels() const { return static_cast<std::int64_t>(weights_.panels.size()); }
  std::int64_t most_pixels(std::int64_t width) const {
    return width <= 32 ? kCuts[1].most_pixels : sixes_ ? 6 : kCuts[0].most_pixels;
  }
  /// Output rows of a task, and the input rows they see, at most.
  std::int64_t task_rows() const { return ceil_div(layer_.shape.P(), parts_); }
  std::int64_t input_rows() const {
    return (task_rows() - 1) * layer_.shape.stride + layer_.shape.R;
  }
  /// The memory of one worker: the task it is at, which input rows of it are copied, and the
  /// copies.
  std::int64_t flag_bytes() const { return round_up(input_rows(), 64); }
  std::int64_t worker_bytes() const {
    const std::int64_t copies = round_up(input_rows() * row_bytes() + kGroup * code_bytes_, 64);
    return kHeaderBytes + (copies_ ? flag_bytes() + copies : 0);
  }
  void add_padding_to_bias();
  /// One panel of output rows of a task, counted from its first; it may have one less than asked.
  void run_rows(const LayerRun& args, std::uint8_t* memory, std::uint8_t* codes, std::int64_t task,
                std::int64_t panel, std::int64_t row_first, std::int64_t row_last) const;

  const IntLayer layer_;
  const DirectKernel& kernel_;
  const std::int64_t code_bytes_, chunk_, width_;
  const StripWindow window_;
  const DirectWeights weights_;
  const RequantData requant_data_;
  const bool copies_, sixes_;
  const std::int64_t workers_ = thread_count();
  std::int64_t parts_ = 1;             // tasks of an image
  TensorS32 bias_;                     // [distinct kernel rows][channels, padded to whole panels]
  std::vector<std::int64_t> bias_of_;  // output row → its row of bias_
};

std::int64_t StripLayer::executed_macs() const {
  const ConvShape& s = layer_.shape;
  std::int64_t rows = 0, pixels = s.S * s.Q();  // kernel rows, pixels of kernel columns
  for (std::int64_t p = 0; p < s.P(); ++p) rows += kernel_rows(p).last - kernel_rows(p).first;
  for (const StripWindow::Span& span : window_.spans) {
    pixels -= span.outside_first + span.outside_last;
  }
  return rows * pixels * s.C * s.K;
}

std::int64_t StripLayer::cost(std::int64_t N) const {
  // What else costs as much per output as so many products (the second and third: AVX2, on Zen 3);
  // larger windows hide most of it.
  const std::int64_t output_products = active_isa() >= Isa::avx512vnni ? 41
                                       : code_bytes_ == 1              ? 34
                                                                       : 20;
  constexpr std::int64_t kFarByte = 1;  // of weights beyond the second-level cache (Zen 4)
  // Pixels, up to which products take a twentieth more (Zen 4).
  constexpr std::int64_t kShortRow = 4;
  const ConvShape& s = layer_.shape;
  const CpuTraits cpu = cpu_traits();
  const bool halves = cpu.vector_ports == VectorPorts::four_halves;
  const bool far = halves && weights_.bytes > cpu.second_level_cache_bytes;
  const std::int64_t outputs = has_small_window(s) ? s.P() * s.Q() * s.K : 0;
  // Other CPUs' constants were fitted to all products, those left out included.
  std::int64_t macs = halves ? executed_macs() : s.macs();
  if (halves && s.Q() <= kShortRow) macs += macs / 20;
  return N * (macs + outputs * output_products + (far ? parts_ * weights_.bytes * kFarByte : 0));
}

void StripLayer::add_padding_to_bias() {
  const ConvShape& s = layer_.shape;
  const bool zeros = pads_with_zeros(layer_);
  std::map<KernelRows, std::int64_t> known;
  for (std::int64_t p = 0; p < s.P(); ++p) {
    const KernelRows inside = zeros ? KernelRows{0, s.R} : kernel_rows(p);
    bias_of_.push_back(
        known.try_emplace(inside, static_cast<std::int64_t>(known.size())).first->second);
  }
  const std::int64_t stride = round_up(s.K, width_), row = s.S * s.C;
  bias_ = TensorS32::zeros({static_cast<std::int64_t>(known.size()), stride});
  for (const auto& [inside, index] : known) {
    for (std::int64_t k = 0; k < s.K; ++k) {
      auto sum = static_cast<std::uint32_t>(layer_.bias[k]);  // modulo 2^32, as the products
      for (std::int64_t r = 0; r < s.R; ++r) {
        if (r >= inside.first && r < inside.last) continue;
        for (std::int64_t i = 0; i < row; ++i) {
          sum += static_cast<std::uint32_t>(layer_.weights[(k * s.R + r) * row + i] *
                                            layer_.pad_code[i % s.C]);
        }
      }
      bias_[index * stride + k] = static_cast<std::int32_t>(sum);
    }
  }
}

void StripLayer::run_rows(const LayerRun& args, std::uint8_t* memory, std::uint8_t* codes,
                          std::int64_t task, std::int64_t panel, std::int64_t row_first,
                          std::int64_t row_last) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t P = s.P(), Q = s.Q(), n = task / parts_, part = task % parts_;
  const std::int64_t first = P * part / parts_, last = P * (part + 1) / parts_;
  const std::int64_t top = first * s.stride - s.pad;
  const std::uint8_t* image = args.input + n * s.H * s.W * s.C;
  std::uint8_t *const copied = memory + kHeaderBytes, *const copy = copied + flag_bytes();
  const std::uint8_t* const rows = copies_ ? copy : image + top * row_bytes();
  std::int64_t& copied_task = *reinterpret_cast<std::int64_t*>(memory);
  if (copies_ && copied_task != task) {
    std::memset(copied, 0, static_cast<std::size_t>(input_rows()));
    copied_task = task;
  }
  const DirectPanel& channels = weights_.panels[static_cast<std::size_t>(panel)];
  const std::byte* weights = weights_.data.get() + channels.offset_bytes;
  const std::int64_t k = channels.first, width = channels.width;
  const bool streams = args.N * P * Q * s.K >= kStreamBytes &&
                       window_.offsets.size() <= kStreamGroups && codes == args.codes &&
                       s.K % 64 == 0 && reinterpret_cast<std::uintptr_t>(codes) % 64 == 0;
  const std::int64_t group_bytes = kGroup * width * weight_bytes(kernel_.layout);
  const bool near = static_cast<std::int64_t>(window_.offsets.size()) * group_bytes <= kNearBytes;
  for (std::int64_t p = first + row_first; p < std::min(last, first + row_last); ++p) {
    const KernelRows inside = kernel_rows(p);
    const std::int64_t begin = (p - first) * s.stride + inside.first;
    const std::int64_t end = begin + inside.last - inside.first;
    bool reads = false;
    for (std::int64_t i = begin; copies_ && i < end; ++i) {
      if (copied[i] != 0) continue;
      std::uint8_t* const row = copy + i * row_bytes();
      if (code_bytes_ == 1) {
        copy_padded_row(s, layer_.pad_code.data(), image, top + i, row);
      } else {
        copy_padded_row(s, layer_.pad_code.data(), image, top + i,
                        reinterpret_cast<std::uint16_t*>(row));
      }
      copied[i] = kCopied;
      reads = true;
    }
    // What the next row of outputs sees of the image besides, which may be far away.
    const std::int64_t line = s.W * s.C, rows_end = std::min(top + end + s.stride, s.H);
    for (std::int64_t at = std::max<std::int64_t>(top + end, 0) * line;
         reads && at < rows_end * line; at += 64) {
      __builtin_prefetch(image + at);
    }
    // Once for all panels.
    const bool gathers =
        !window_.spares.empty() && std::exchange(copied[begin], kGathered) == kCopied;
    for (const StripWindow::Spare& spare : window_.spares) {
      if (!gathers) break;
      std::uint8_t* const row = copy + begin * row_bytes();
      kernel_.gather({row + spare.first * row_bytes() + window_.row_codes * code_bytes_,
                      s.stride * s.C, Q, spare.rows, window_.row_length,
                      s.S * s.C - window_.row_codes, row + spare.offset * code_bytes_});
    }
    // The groups of a window with spare codes are those of one kernel row.
    const std::int64_t multiplied_rows = window_.spares.empty() ? end - begin : 1;
    StripSpan spans[kMaxSpans];
    std::int64_t count = 0;
    for (const StripWindow::Span& span : window_.spans) {
      const std::int64_t at = span.first + inside.first * span.row_groups;
      spans[count++] = {window_.offsets.data() + span.first, weights + at * group_bytes,
                        multiplied_rows * span.row_groups, span.outside_first, span.outside_last};
    }
    kernel_.strip({rows + begin * row_bytes(), s.stride * s.C, Q, most_pixels(width), spans, count,
                   bias_.data() + bias_of_[static_cast<std::size_t>(p)] * bias_.dim(1) + k,
                   codes + (n * P + p) * Q * s.K + k, s.K, std::min(width, s.K - k), chunk_, near,
                   streams, requant_data_.from(k)},
                  width);
  }
}

// What is shared out is a few rows of a panel, so that a processor that somebody else uses too gets
// fewer of them.
void StripLayer::run(const LayerRun& args) const {
  const ConvShape& s = layer_.shape;
  const bool pools = layer_.pool_kernel > 0;
  auto* memory = reinterpret_cast<std::uint8_t*>(args.scratch);
  std::uint8_t* codes = pools ? memory + workers_ * worker_bytes() : args.codes;
  for (std::int64_t worker = 0; worker < workers_; ++worker) {
    *reinterpret_cast<std::int64_t*>(memory + worker * worker_bytes()) = -1;
  }
  const std::int64_t least = ceil_div(kShareMacs, s.Q() * width_ * s.reduction());
  const std::int64_t shares = ceil_div(task_rows(), least), rows = ceil_div(task_rows(), shares);
  const std::int64_t all = args.N * parts_ * panels() * shares;
  parallel_tasks(workers_, all, [&](std::int64_t worker, std::int64_t i) {
    const std::int64_t row = i % shares * rows, panel = i / shares % panels();
    const std::int64_t task = i / shares / panels();
    run_rows(args, memory + worker * worker_bytes(), codes, task, panel, row, row + rows);
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_direct_strips(const IntLayer& layer,
                                                     const DirectKernel& kernel) {
  const ConvShape& s = layer.shape;
  // With rows of spare codes, at most one for each kernel row, between the rows.
  const bool fits_offsets =
      (s.R + 1) * (s.R + 1) * ((s.W + 2 * s.pad) * s.C + kSpareSlack) <= INT32_MAX;
  if (kernel.strip == nullptr || layer.is_last() || layer.add >= 0 || !fits_offsets) return nullptr;
  const IntLayer lifted = lift_scales(layer);
  if (!RequantData(lifted).from(0).quick) return nullptr;
  if (kernel.width <= 16) {
    // Sums in 16 bits must still fit; rows of one or two pixels are better cut across rows.
    if (kernel.layout == WeightLayout::quads_s8 && narrow_chunk(lifted) < 1) return nullptr;
    if (s.Q() < kLeastPixels) return nullptr;
    return std::make_unique<StripLayer>(lifted, kernel, kernel.width);
  }
  // 14 × 32 asks for half as much of weights that come from the second-level cache.
  const bool near = panel_bytes(s, kCuts[0].width) <= kNearBytes;
  const bool halves = cpu_traits().vector_ports == VectorPorts::four_halves;
  const bool wide_first = halves ? loads_of(kCuts[0], s) <= loads_of(kCuts[1], s)
                                 : near || cpu_traits().vector_ports == VectorPorts::four;
  for (const Cut& cut : {kCuts[wide_first ? 0 : 1], kCuts[wide_first ? 1 : 0]}) {
    if (s.K <= cut.width / 2 && cut.width > 32) continue;
    const bool far = panel_bytes(s, cut.width) > kFirstCacheBytes;
    const std::int64_t least = halves ? kLeastPixels
                               : far  ? cut.least_pixels_far
                                      : cut.least_pixels;
    if (s.Q() >= least * ceil_div(s.Q(), cut.most_pixels)) {
      return std::make_unique<StripLayer>(lifted, kernel, cut.width);
    }
  }
  return nullptr;
}

}  // namespace intandem
