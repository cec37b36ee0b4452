#include "quant/integer/fastconv_phases.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/fastconv.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kFastKernel = 3;
constexpr std::int64_t kRowsPerTask = 4;
/// In products of the direct algorithm: what a code of X′ costs.
constexpr std::int64_t kCodeProducts = 6;

class PhasesLayer final : public PreparedLayer {
 public:
  PhasesLayer(const IntLayer& layer, ConvShape split, std::unique_ptr<PreparedLayer> inner)
      : shape_(layer.shape), split_(split), pad_code_(layer.pad_code), inner_(std::move(inner)) {}

  std::string algorithm() const override { return "phases_" + inner_->algorithm(); }
  std::string reason() const override {
    return "stride " + std::to_string(shape_.stride) + " as channels; " + inner_->reason();
  }
  std::int64_t packed_bytes() const override { return inner_->packed_bytes(); }
  std::int64_t executed_macs() const override { return inner_->executed_macs(); }
  std::int64_t cost(std::int64_t N) const override {
    return inner_->cost(N) + N * split_.H * row_codes() * kCodeProducts;
  }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return image_bytes(N) + inner_->scratch_bytes(N);
  }
  void run(const LayerRun& args) const override {
    auto* image = reinterpret_cast<std::uint8_t*>(args.scratch);
    parallel_for(args.N * split_.H, kRowsPerTask, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        split_row(args.input + i / split_.H * shape_.H * shape_.W * shape_.C, i % split_.H,
                  image + i * row_codes());
      }
    });
    LayerRun inner = args;
    inner.input = image;
    inner.scratch += image_bytes(args.N);
    inner_->run(inner);
  }

 private:
  std::int64_t row_codes() const { return split_.W * split_.C; }
  std::int64_t image_bytes(std::int64_t N) const {
    return round_up(N * split_.H * row_codes(), 64);
  }
  /// Row y of X′: of every image row that it holds, s·C codes go to each of its pixels.
  void split_row(const std::uint8_t* image, std::int64_t y, std::uint8_t* row) const {
    const ConvShape& s = shape_;
    const std::int64_t piece = s.stride * s.C;
    for (std::int64_t i = 0; i < s.stride; ++i, row += piece) {
      const std::int64_t h = s.stride * y + i - s.pad;
      const std::uint8_t* from = image + h * s.W * s.C;
      std::uint8_t* to = row;
      for (std::int64_t x = 0; x < split_.W; ++x, to += split_.C) {
        const std::int64_t w = s.stride * x - s.pad;
        if (h >= 0 && h < s.H && w >= 0 && w + s.stride <= s.W) {
          std::memcpy(to, from + w * s.C, static_cast<std::size_t>(piece));
          continue;
        }
        for (std::int64_t j = 0; j < s.stride; ++j) {
          const bool inside = h >= 0 && h < s.H && w + j >= 0 && w + j < s.W;
          copy_pixel(inside ? from + (w + j) * s.C : pad_code_.data(), to + j * s.C);
        }
      }
    }
  }
  /// Without padding there need not be a code for it: what lies outside meets weights of zero.
  void copy_pixel(const std::uint8_t* from, std::uint8_t* to) const {
    if (from == nullptr) {
      std::memset(to, 0, static_cast<std::size_t>(shape_.C));
    } else {
      std::memcpy(to, from, static_cast<std::size_t>(shape_.C));
    }
  }

  const ConvShape shape_, split_;
  const TensorU8 pad_code_;
  const std::unique_ptr<PreparedLayer> inner_;
};

}  // namespace

IntLayer split_phases(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  const std::int64_t stride = s.stride;
  IntLayer split = layer;
  ConvShape& t = split.shape;
  t.R = ceil_div(s.R, stride);
  t.S = ceil_div(s.S, stride);
  t.H = s.P() + t.R - 1;
  t.W = s.Q() + t.S - 1;
  t.C = stride * stride * s.C;
  t.stride = 1;
  t.pad = 0;
  split.pad_code = TensorU8::zeros({t.C});
  split.weights = TensorS8(Shape{t.K, t.R, t.S, t.C});
  std::fill(split.weights.begin(), split.weights.end(), std::int8_t{0});
  const std::int8_t* from = layer.weights.data();
  for (std::int64_t k = 0; k < s.K; ++k) {
    for (std::int64_t r = 0; r < s.R; ++r) {
      for (std::int64_t c = 0; c < s.S; ++c, from += s.C) {
        const std::int64_t tap = (k * t.R + r / stride) * t.S + c / stride;
        const std::int64_t phase = r % stride * stride + c % stride;
        std::copy_n(from, s.C, split.weights.data() + tap * t.C + phase * s.C);
      }
    }
  }
  return split;
}

std::unique_ptr<PreparedLayer> prepare_phases(const IntLayer& layer) {
  const ConvShape& s = layer.shape;
  if (active_isa() < Isa::avx2 || active_isa() >= Isa::avx512vnni) return nullptr;
  if (layer.kind != IntLayerKind::conv || s.groups > 1 || s.stride < 2 ||
      ceil_div(s.R, s.stride) != kFastKernel || ceil_div(s.S, s.stride) != kFastKernel) {
    return nullptr;
  }
  const IntLayer split = split_phases(layer);
  std::unique_ptr<PreparedLayer> best;
  for (const PrepareFn prepare :
       {prepare_winograd4, prepare_winograd2, prepare_winograd4_s16, prepare_winograd2_s16}) {
    std::unique_ptr<PreparedLayer> candidate = prepare(split);
    if (candidate == nullptr || (best != nullptr && candidate->cost(1) >= best->cost(1))) continue;
    best = std::move(candidate);
  }
  if (best == nullptr) return nullptr;
  return std::make_unique<PhasesLayer>(layer, split.shape, std::move(best));
}

}  // namespace intandem
