#include "quant/integer/grouped/grouped.hpp"

#include <algorithm>
#include <vector>

#include "core/cpu.hpp"
#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/plan.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMostGroups = 256;
constexpr std::int64_t kPixels = 64;  // copied by one task

std::int64_t aligned(std::int64_t bytes) {
  return round_up(bytes, static_cast<std::int64_t>(kAlignment_bytes));
}

/// Group g as a layer of its own, its weights copied.
IntLayer group_layer(const IntLayer& layer, std::int64_t g) {
  const ConvShape& s = layer.shape;
  IntLayer part = layer;
  part.shape = {1, s.H, s.W, s.group_C(), s.group_K(), s.R, s.S, s.stride, s.pad};
  const std::int64_t C = part.shape.C, K = part.shape.K, first = g * K;
  part.weights = TensorS8({K, s.R, s.S, C});
  std::copy_n(layer.weights.data() + first * s.reduction(), part.weights.size(),
              part.weights.data());
  part.bias = TensorS32({K});
  std::copy_n(layer.bias.data() + first, K, part.bias.data());
  if (!layer.pad_code.empty()) {
    part.pad_code = TensorU8({C});
    std::copy_n(layer.pad_code.data() + g * C, C, part.pad_code.data());
  }
  if (layer.scale.size() > 1) {
    part.scale.assign(layer.scale.begin() + first, layer.scale.begin() + first + K);
    if (layer.add >= 0) {
      part.add_m.assign(layer.add_m.begin() + first, layer.add_m.begin() + first + K);
    }
  }
  measure_bounds(part);
  return part;
}

/// out[i][0 … width−1] = in[i][0 … width−1] of rows of in_stride and out_stride elements.
template <class T>
void copy_rows(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride,
               std::int64_t rows, std::int64_t width) {
  parallel_for(rows, kPixels, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(in + i * in_stride, width, out + i * out_stride);
    }
  });
}

class GroupedLayer final : public PreparedLayer {
 public:
  explicit GroupedLayer(const IntLayer& layer) : layer_(layer) {
    for (std::int64_t g = 0; g < layer.shape.groups; ++g) {
      groups_.push_back(prepare_layer(group_layer(layer, g), "auto"));
    }
  }

  std::string algorithm() const override { return "grouped_" + groups_.front()->algorithm(); }
  std::string reason() const override { return std::to_string(groups_.size()) + " groups"; }
  std::int64_t packed_bytes() const override {
    return sum([](const PreparedLayer& part) { return part.packed_bytes(); });
  }
  std::int64_t executed_macs() const override {
    return sum([](const PreparedLayer& part) { return part.executed_macs(); });
  }
  Work work(std::int64_t N) const override {
    Work all;
    for (const auto& part : groups_) {
      const Work work = part->work(N);
      all.products += work.products;
      all.bytes += work.bytes;
    }
    return all;
  }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    std::int64_t inner = 0;
    for (const auto& part : groups_) inner = std::max(inner, part->scratch_bytes(N));
    return inner_at(N) + inner;
  }

  void run(const LayerRun& args) const override {
    const ConvShape& s = layer_.shape;
    const std::int64_t C = s.group_C(), K = s.group_K(), N = args.N;
    const std::int64_t pixels = s.P() * s.Q(), pooled = layer_.output_size() / s.K;
    auto* input = reinterpret_cast<std::uint8_t*>(args.scratch);
    auto* shortcut = input + aligned(N * s.H * s.W * C);
    std::byte* output = args.scratch + output_at(N);
    for (std::int64_t g = 0; g < s.groups; ++g) {
      copy_rows(args.input + g * C, s.C, input, C, N * s.H * s.W, C);
      LayerRun part;
      part.N = N;
      part.input = input;
      part.scratch = args.scratch + inner_at(N);
      if (layer_.add >= 0) {
        copy_rows(args.shortcut + g * K, s.K, shortcut, K, N * pixels, K);
        part.shortcut = shortcut;
      }
      if (layer_.is_last()) {
        part.accumulators = reinterpret_cast<std::int32_t*>(output);
      } else {
        part.codes = reinterpret_cast<std::uint8_t*>(output);
      }
      groups_[static_cast<std::size_t>(g)]->run(part);
      if (layer_.is_last()) {
        copy_rows(part.accumulators, K, args.accumulators + g * K, s.K, N * pooled, K);
      } else {
        copy_rows(part.codes, K, args.codes + g * K, s.K, N * pooled, K);
      }
    }
  }

 private:
  template <class F>
  std::int64_t sum(const F& f) const {
    std::int64_t total = 0;
    for (const auto& part : groups_) total += f(*part);
    return total;
  }

  // Scratch: the group's input, shortcut and output, then what its algorithm wants.
  std::int64_t output_at(std::int64_t N) const {
    const ConvShape& s = layer_.shape;
    const std::int64_t shortcut = layer_.add >= 0 ? N * s.P() * s.Q() * s.group_K() : 0;
    return aligned(N * s.H * s.W * s.group_C()) + aligned(shortcut);
  }
  std::int64_t inner_at(std::int64_t N) const {
    const std::int64_t values = N * layer_.output_size() / layer_.shape.groups;
    return output_at(N) +
           aligned(values * static_cast<std::int64_t>(layer_.is_last() ? sizeof(std::int32_t) : 1));
  }

  const IntLayer layer_;
  std::vector<std::unique_ptr<PreparedLayer>> groups_;
};

}  // namespace

std::unique_ptr<PreparedLayer> prepare_grouped(const IntLayer& layer) {
  const std::int64_t groups = layer.shape.groups;
  if (active_isa() == Isa::ref || groups == 1 || groups > kMostGroups) return nullptr;
  if (prepare_depthwise(layer) != nullptr) return nullptr;  // far quicker
  return std::make_unique<GroupedLayer>(layer);
}

}  // namespace intandem
