// Driver of the direct kernels that compute a whole row of outputs, requantized in registers.
//
// A task is some output rows of an image: their input rows are copied with the padding to their
// left and right, unless there is none. Kernel rows above and below the image are not multiplied:
// what they would add, the weights times the codes of the padding, is the same for every output of
// a row and joins its bias.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/direct/pack.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

// Outputs of a task, while its input rows take no more than this.
constexpr std::int64_t kTaskPixels = 1024, kTaskBytes = 256 * 1024;
constexpr std::int64_t kShareMacs = 1 << 19;    // products worth sharing out by themselves
constexpr std::int64_t kNearBytes = 40 * 1024;  // of weights that stay in the first-level cache
constexpr std::int64_t kHeaderBytes = 64;
// For the estimate: a tile takes the time of so many pixels at least, and an output, with its
// requantization, that of so many products of its channel.
constexpr std::int64_t kLeastPixels = 4, kOutputProducts = 40;

class RowsLayer final : public PreparedLayer {
 public:
  RowsLayer(const IntLayer& layer, const DirectKernel& kernel, std::int64_t width)
      : layer_(layer),
        kernel_(kernel),
        code_bytes_(code_bytes(kernel.layout)),
        chunk_(narrow_chunk(layer)),
        width_(width),
        row_groups_(ceil_div(layer.shape.S * layer.shape.C, kGroup)),
        weights_(pack_direct(layer, kernel.layout, width)),
        requant_data_(layer),
        copies_(layer.shape.pad > 0 || (layer.shape.S * layer.shape.C) % kGroup != 0 ||
                code_bytes_ > 1) {
    const ConvShape& s = layer.shape;
    parts_ = ceil_div(
        s.P(), std::clamp<std::int64_t>(
                   std::min(kTaskPixels / s.Q(), kTaskBytes / (s.stride * row_bytes())), 1, s.P()));
    for (std::int64_t r = 0; r < s.R; ++r) {
      for (std::int64_t g = 0; g < row_groups_; ++g) {
        offsets_.push_back(static_cast<std::int32_t>(r * row_codes() + g * kGroup));
      }
    }
    add_padding_to_bias();
  }

  std::string algorithm() const override { return kernel_.name; }
  std::string reason() const override {
    return "rows of outputs, " + std::to_string(width_) + " channels at a time";
  }
  std::int64_t packed_bytes() const override {
    return weights_.bytes + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override;
  Work work(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * worker_bytes() +
           (layer_.pool_kernel > 0 ? N * layer_.shape.P() * layer_.shape.Q() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  /// The kernel rows of an output row that lie inside the image.
  struct KernelRows {
    std::int64_t first, last;
    bool operator<(const KernelRows& o) const {
      return std::pair(first, last) < std::pair(o.first, o.last);
    }
  };
  /// Some output rows of a task and one panel of channels.
  struct Part {
    std::int64_t task, panel, row_first, row_last;
  };
  KernelRows kernel_rows(std::int64_t p) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t top = p * s.stride - s.pad;
    const std::int64_t first = std::clamp<std::int64_t>(-top, 0, s.R);
    return {first, std::clamp<std::int64_t>(s.H - top, first, s.R)};
  }
  /// Of an input row with its padding.
  std::int64_t row_codes() const {
    return (layer_.shape.W + 2 * layer_.shape.pad) * layer_.shape.C;
  }
  std::int64_t row_bytes() const { return row_codes() * code_bytes_; }
  std::int64_t panels() const { return static_cast<std::int64_t>(weights_.panels.size()); }
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
  void copy_row(const std::uint8_t* image, std::int64_t h, std::uint8_t* row) const;
  void run_part(const LayerRun& args, std::uint8_t* memory, std::uint8_t* codes,
                const Part& part) const;

  const IntLayer layer_;
  const DirectKernel& kernel_;
  const std::int64_t code_bytes_, chunk_, width_, row_groups_;
  const DirectWeights weights_;
  const RequantData requant_data_;
  const bool copies_;
  const std::int64_t workers_ = thread_count();
  std::int64_t parts_ = 1;             // tasks of an image
  std::vector<std::int32_t> offsets_;  // of the groups of a window, from its first code
  TensorS32 bias_;                     // [distinct kernel rows][channels, padded to whole panels]
  std::vector<std::int64_t> bias_of_;  // output row → its row of bias_
};

std::int64_t RowsLayer::executed_macs() const {
  const ConvShape& s = layer_.shape;
  std::int64_t rows = 0;
  for (std::int64_t p = 0; p < s.P(); ++p) rows += kernel_rows(p).last - kernel_rows(p).first;
  return rows * s.Q() * s.S * s.C * s.K;
}

Work RowsLayer::work(std::int64_t N) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t tiles = ceil_div(s.Q(), kernel_.row_pixels(width_));
  const std::int64_t pixels = std::max(s.Q(), tiles * kLeastPixels);
  const std::int64_t macs = executed_macs() / s.Q() * pixels * code_bytes_;
  return {N * (macs + s.P() * pixels * s.K * kOutputProducts), packed_bytes()};
}

void RowsLayer::add_padding_to_bias() {
  const ConvShape& s = layer_.shape;
  const bool zeros = std::all_of(layer_.pad_code.begin(), layer_.pad_code.end(),
                                 [](std::uint8_t code) { return code == 0; });
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

void RowsLayer::copy_row(const std::uint8_t* image, std::int64_t h, std::uint8_t* row) const {
  if (code_bytes_ == 1) {
    copy_padded_row(layer_.shape, layer_.pad_code.data(), image, h, row);
  } else {
    copy_padded_row(layer_.shape, layer_.pad_code.data(), image, h,
                    reinterpret_cast<std::uint16_t*>(row));
  }
}

void RowsLayer::run_part(const LayerRun& args, std::uint8_t* memory, std::uint8_t* codes,
                         const Part& part) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t P = s.P(), Q = s.Q(), n = part.task / parts_, at = part.task % parts_;
  const std::int64_t first = P * at / parts_, last = P * (at + 1) / parts_;
  const std::int64_t top = first * s.stride - s.pad;
  const std::uint8_t* image = args.input + n * s.H * s.W * s.C;
  std::uint8_t *const copied = memory + kHeaderBytes, *const copy = copied + flag_bytes();
  const std::uint8_t* const rows = copies_ ? copy : image + top * row_bytes();
  std::int64_t& copied_task = *reinterpret_cast<std::int64_t*>(memory);
  if (copies_ && copied_task != part.task) {
    std::memset(copied, 0, static_cast<std::size_t>(input_rows()));
    copied_task = part.task;
  }
  const DirectPanel& panel = weights_.panels[static_cast<std::size_t>(part.panel)];
  const std::byte* weights = weights_.data.get() + panel.offset_bytes;
  const std::int64_t k = panel.first, width = panel.width;
  const std::int64_t kernel_row_bytes = row_groups_ * kGroup * width * weight_bytes(kernel_.layout);
  for (std::int64_t p = first + part.row_first; p < std::min(last, first + part.row_last); ++p) {
    const KernelRows inside = kernel_rows(p);
    const std::int64_t begin = (p - first) * s.stride + inside.first;
    const std::int64_t end = begin + inside.last - inside.first;
    bool reads = false;
    for (std::int64_t i = begin; copies_ && i < end; ++i) {
      if (std::exchange(copied[i], std::uint8_t{1}) != 0) continue;
      copy_row(image, top + i, copy + i * row_bytes());
      reads = true;
    }
    // What the next row of outputs sees of the image besides, which may be far away.
    const std::int64_t line = s.W * s.C, rows_end = std::min(top + end + s.stride, s.H);
    for (std::int64_t code = std::max<std::int64_t>(top + end, 0) * line;
         reads && code < rows_end * line; code += 64) {
      __builtin_prefetch(image + code);
    }
    kernel_.row({rows + begin * row_bytes(), s.stride * s.C, Q, offsets_.data(),
                 weights + inside.first * kernel_row_bytes, (end - begin) * row_groups_,
                 bias_.data() + bias_of_[static_cast<std::size_t>(p)] * bias_.dim(1) + k,
                 codes + (n * P + p) * Q * s.K + k, s.K, std::min(width, s.K - k), chunk_,
                 s.R * kernel_row_bytes <= kNearBytes, requant_data_.from(k)},
                width);
  }
}

// What is shared out is a few rows of a panel, so that a processor that somebody else uses too gets
// fewer of them.
void RowsLayer::run(const LayerRun& args) const {
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
    const std::int64_t row = i % shares * rows;
    run_part(args, memory + worker * worker_bytes(), codes,
             {i / shares / panels(), i / shares % panels(), row, row + rows});
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_direct_rows(const IntLayer& layer,
                                                   const DirectKernel& kernel, std::int64_t width) {
  const ConvShape& s = layer.shape;
  const bool fits_offsets = s.R * (s.W + 2 * s.pad) * s.C <= INT32_MAX;
  if (kernel.row_pixels(width) == 0 || layer.is_last() || layer.add >= 0 || !fits_offsets) {
    return nullptr;
  }
  if (s.K <= width / 2 && width > 16) return nullptr;  // a narrower panel holds all channels
  const IntLayer lifted = lift_scales(layer);
  if (!RequantData(lifted).from(0).quick) return nullptr;
  // Sums in 16 bits must still fit.
  if (kernel.width <= 16 && kernel.layout == WeightLayout::quads_s8 && narrow_chunk(lifted) < 1) {
    return nullptr;
  }
  return std::make_unique<RowsLayer>(lifted, kernel, width);
}

std::unique_ptr<PreparedLayer> prepare_direct_rows(const IntLayer& layer, std::int64_t width) {
  const DirectKernel* kernel = direct_kernel(layer);
  if (kernel == nullptr || layer.kind != IntLayerKind::conv || layer.shape.groups > 1) {
    return nullptr;
  }
  return prepare_direct_rows(layer, *kernel, width);
}

}  // namespace intandem
