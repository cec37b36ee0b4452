#include "quant/integer/fastconv.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/fastconv_plan.hpp"

namespace intandem {
namespace {

/// What a worker touches for one group of tiles should stay in a second-level cache of 1 MB.
constexpr std::int64_t kCacheBytes = 800 * 1024;
constexpr std::int64_t kSmallestGroup = 12;

/// Tiles come in four sizes: full, shorter, narrower, both (1 and 2 are bits). A group holds them
/// in this order, in which the tiles that have a given position are always neighbours: a position
/// may belong to {full}, {shorter, full}, {full, narrower} or all.
constexpr int kSizes = 4;
constexpr int kSizeOrder[kSizes] = {1, 0, 2, 3};

class FastConvLayer final : public PreparedLayer {
 public:
  FastConvLayer(const IntLayer& layer, FastConvPlan plan, const FastConvKernels& kernels,
                std::string reason)
      : shape_(layer.shape),
        plan_(std::move(plan)),
        kernels_(kernels),
        reason_(std::move(reason)),
        pool_kernel_(layer.pool_kernel),
        pool_stride_(layer.pool_stride),
        workers_(std::max(1, thread_count())),
        tiles_(plan_.vertical.tiles * plan_.horizontal.tiles),
        pad_codes_(TensorU8::zeros({plan_.value_stride})) {
    if (shape_.pad > 0) std::memcpy(pad_codes_.data(), layer.pad_code.data(), shape_.C);
    for (std::int64_t s = 0; s < positions(); ++s) {
      const int p = plan_.positions[static_cast<std::size_t>(s)];
      value_offset_[p] = s * plan_.value_stride;
      product_offset_[p] = s * plan_.panel;
    }
    const std::int64_t tile_bytes =
        value_row() + product_row() * std::int64_t{sizeof(std::int32_t)};
    // Two rows of taps, one of them on its way, and the computed columns.
    const std::int64_t weight_bytes = 8 * plan_.tap_stride(plan_.panel);
    most_tiles_ = std::max(kSmallestGroup, (kCacheBytes - weight_bytes) / tile_bytes);
  }

  std::string algorithm() const override {
    return "winograd" + std::to_string(plan_.tile) + "_" + kernels_.isa;
  }
  std::string reason() const override { return reason_; }
  std::int64_t packed_bytes() const override {
    return plan_.taps.size_bytes() + plan_.start.size_bytes() + plan_.epilogue_table.size_bytes() +
           pad_codes_.size_bytes();
  }
  std::int64_t executed_macs() const override { return plan_.executed_macs(shape_); }
  std::int64_t cost() const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * worker_bytes(N) + (pool_kernel_ > 0 ? unpooled_bytes(N) : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  /// Consecutive tiles that are computed together; counted over all images.
  struct Group {
    std::int64_t index = -1, first = 0, last = 0;
    std::int64_t begin[kSizes] = {};  ///< row of the first tile of a size
    std::int64_t first_row[kPositions2d] = {}, rows[kPositions2d] = {};
  };
  struct Tile {
    std::int64_t image, row, column;  ///< first output
    int outputs_v, outputs_h, size;
  };

  std::int64_t positions() const { return static_cast<std::int64_t>(plan_.positions.size()); }
  std::int64_t group_capacity(std::int64_t N) const { return std::min(most_tiles_, N * tiles_); }
  /// From one tile to the next, in bytes and in elements: [tile][position][channel].
  std::int64_t value_row() const { return odd_lines(positions() * plan_.value_stride); }
  std::int64_t product_row() const {
    return odd_lines(positions() * plan_.panel * std::int64_t{sizeof(std::int32_t)}) /
           std::int64_t{sizeof(std::int32_t)};
  }
  std::int64_t value_bytes(std::int64_t N) const { return group_capacity(N) * value_row(); }
  std::int64_t product_bytes(std::int64_t N) const {
    return group_capacity(N) * product_row() * std::int64_t{sizeof(std::int32_t)};
  }
  std::int64_t worker_bytes(std::int64_t N) const {
    return value_bytes(N) + product_bytes(N) + 2 * plan_.tap_stride(plan_.panel);
  }
  std::int64_t unpooled_bytes(std::int64_t N) const {
    return N * shape_.P() * shape_.Q() * shape_.K;
  }

  Tile tile_at(std::int64_t index) const {
    const std::int64_t within = index % tiles_;
    const std::int64_t v = within / plan_.horizontal.tiles, h = within % plan_.horizontal.tiles;
    Tile tile = {index / tiles_,
                 v * plan_.vertical.main,
                 h * plan_.horizontal.main,
                 plan_.vertical.outputs(v),
                 plan_.horizontal.outputs(h),
                 0};
    tile.size = (tile.outputs_v != plan_.vertical.main ? 1 : 0) +
                (tile.outputs_h != plan_.horizontal.main ? 2 : 0);
    return tile;
  }
  void lay_out(Group& group) const;
  void transform_group(const Group& group, const std::uint8_t* input, std::uint8_t* values) const;
  void multiply_panel(const Group& group, std::int64_t k, const std::uint8_t* values,
                      std::int32_t* products, std::int8_t* weights) const;
  void finish_panel(const Group& group, std::int64_t k, const std::int32_t* products,
                    const LayerRun& args, std::uint8_t* codes) const;

  ConvShape shape_;
  FastConvPlan plan_;
  const FastConvKernels& kernels_;
  std::string reason_;
  std::int64_t pool_kernel_, pool_stride_;
  std::int64_t workers_, tiles_, most_tiles_ = 0;
  TensorU8 pad_codes_;
  std::int64_t value_offset_[kPositions2d] = {}, product_offset_[kPositions2d] = {};
};

/// The constants were measured on a Cascade Lake core with the AVX-512 VNNI kernels, in products of
/// the direct algorithm.
std::int64_t FastConvLayer::cost() const {
  constexpr std::int64_t kPerValue = 11, kPerProductSum = 60, kPerWeight = 16;
  const std::int64_t C = shape_.C, K = shape_.K, macs = executed_macs();
  const std::int64_t rows = macs / (C * K);  // positions of all tiles
  const std::int64_t groups = (tiles_ + most_tiles_ - 1) / most_tiles_;
  const std::int64_t computed = plan_.tap_rows() * (plan_.tile == 4 ? 4 : 2);  // columns of U
  const std::int64_t transforms =
      rows * (C * kPerValue + K * kPerProductSum) + groups * computed * kPerWeight * C * K;
  // With AVX2 the direct algorithm sums low-bit products in 16 bits, this one cannot: 3 : 2
  // instructions. Plain loops are a hundred times slower at everything.
  if (kernels_.pairs_in_16_bits) return macs * 3 / 2 + transforms / 2;
  return kernels_.multiply == fastconv_multiply_ref ? 100 * (macs + transforms) : macs + transforms;
}

/// Counts the group's tiles by size, gives every size its rows and every position its range of
/// rows.
void FastConvLayer::lay_out(Group& group) const {
  std::int64_t count[kSizes] = {};
  for (std::int64_t t = group.first; t < group.last; ++t) ++count[tile_at(t).size];
  bool has[2][2][kPositions1d] = {};  // axis, main or rest, position
  for (int axis = 0; axis < 2; ++axis) {
    const FastConvAxis& cut = axis == 0 ? plan_.vertical : plan_.horizontal;
    for (int rest = 0; rest < 2; ++rest) {
      const FastCorrelation& f = fast_correlation(rest == 1 ? cut.rest : cut.main);
      for (int i = 0; i < f.products; ++i) has[axis][rest][f.position[i]] = true;
    }
  }
  std::int64_t row = 0;
  for (const int size : kSizeOrder) {
    group.begin[size] = row;
    row += count[size];
  }
  for (const int p : plan_.positions) {
    group.rows[p] = 0;
    for (const int size : kSizeOrder) {
      if (!has[0][size & 1][p / kPositions1d] || !has[1][size >> 1][p % kPositions1d]) continue;
      if (group.rows[p] == 0) group.first_row[p] = group.begin[size];
      group.rows[p] += count[size];
    }
  }
}

void FastConvLayer::transform_group(const Group& group, const std::uint8_t* input,
                                    std::uint8_t* values) const {
  std::int64_t done[kSizes] = {};
  const std::uint8_t* pixel[36];
  for (std::int64_t t = group.first; t < group.last; ++t) {
    const Tile tile = tile_at(t);
    const int height = tile.outputs_v + 2, width = tile.outputs_h + 2;
    for (int y = 0; y < height; ++y) {
      const std::int64_t row = tile.row - shape_.pad + y;
      for (int x = 0; x < width; ++x) {
        const std::int64_t column = tile.column - shape_.pad + x;
        const bool inside = row >= 0 && row < shape_.H && column >= 0 && column < shape_.W;
        pixel[y * width + x] =
            inside ? input + ((tile.image * shape_.H + row) * shape_.W + column) * shape_.C
                   : pad_codes_.data();
      }
    }
    kernels_.transform_input({pixel, shape_.C, tile.outputs_v, tile.outputs_h, plan_.shift,
                              values + (group.begin[tile.size] + done[tile.size]++) * value_row(),
                              value_offset_});
  }
}

/// All products of the group with the output channels from k on, a row of positions at a time.
void FastConvLayer::multiply_panel(const Group& group, std::int64_t k, const std::uint8_t* values,
                                   std::int32_t* products, std::int8_t* weights) const {
  const std::int64_t width = plan_.panel_width(k), stride = plan_.tap_stride(width);
  const std::int8_t* taps = plan_.taps.data() + plan_.taps_at(k);
  const std::int32_t* start = plan_.start.data() + k * positions();
  for (std::int64_t s = 0; s < positions(); ++s) {
    const int p = plan_.positions[static_cast<std::size_t>(s)], column = p % kPositions1d;
    const std::int8_t* row = taps + s / plan_.tap_rows() * 3 * stride;
    if (column == 1 || column == 3) {
      kernels_.transform_weights({row, plan_.tap_bytes(width), stride, column == 3, weights});
    }
    const std::int8_t* const by_column[] = {
        row, weights, weights + stride, weights, row + stride, weights + stride, row + 2 * stride};
    kernels_.multiply({values + group.first_row[p] * value_row() + value_offset_[p], value_row(),
                       group.rows[p], by_column[column], plan_.quads, width, start + s * width,
                       products + group.first_row[p] * product_row() + product_offset_[p],
                       product_row(), row + 3 * stride + s % plan_.tap_rows() * plan_.quads * 128});
  }
}

void FastConvLayer::finish_panel(const Group& group, std::int64_t k, const std::int32_t* products,
                                 const LayerRun& args, std::uint8_t* codes) const {
  std::int64_t done[kSizes] = {};
  const std::int64_t P = shape_.P(), Q = shape_.Q();
  for (std::int64_t t = group.first; t < group.last; ++t) {
    const Tile tile = tile_at(t);
    const std::int64_t at = ((tile.image * P + tile.row) * Q + tile.column) * shape_.K;
    FastConvOutput out = {};
    out.products = products + (group.begin[tile.size] + done[tile.size]++) * product_row();
    out.offset = product_offset_;
    out.outputs_v = tile.outputs_v;
    out.outputs_h = tile.outputs_h;
    out.rows = static_cast<int>(std::min<std::int64_t>(tile.outputs_v, P - tile.row));
    out.columns = static_cast<int>(std::min<std::int64_t>(tile.outputs_h, Q - tile.column));
    out.first = k;
    out.channels = std::min(plan_.panel_width(k), shape_.K - k);
    out.codes = codes == nullptr ? nullptr : codes + at;
    out.shortcut = args.shortcut == nullptr ? nullptr : args.shortcut + at;
    out.accumulators = args.accumulators == nullptr ? nullptr : args.accumulators + at;
    out.row_stride = Q * shape_.K;
    out.column_stride = shape_.K;
    out.epilogue = &plan_.epilogue;
    kernels_.transform_output(out);
  }
}

void FastConvLayer::run(const LayerRun& args) const {
  const std::int64_t all = args.N * tiles_;
  if (all == 0) return;
  const std::int64_t capacity = group_capacity(args.N);
  std::int64_t groups = (all + capacity - 1) / capacity;
  if (groups >= workers_) {
    groups = std::min(all, (groups + workers_ - 1) / workers_ * workers_);
  }
  // Too few groups: share out the output channels as well, each worker transforming for itself.
  const std::int64_t panels = plan_.panels();
  const std::int64_t parts = std::min(panels, (workers_ + groups - 1) / groups);

  auto* unpooled = reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * worker_bytes(args.N);
  std::uint8_t* codes = pool_kernel_ > 0 ? unpooled : args.codes;
  std::atomic<std::int64_t> next{0};
  parallel_for(workers_, 1, [&](std::int64_t worker, std::int64_t) {
    auto* values = reinterpret_cast<std::uint8_t*>(args.scratch) + worker * worker_bytes(args.N);
    auto* products = reinterpret_cast<std::int32_t*>(values + value_bytes(args.N));
    auto* weights =
        reinterpret_cast<std::int8_t*>(values + value_bytes(args.N) + product_bytes(args.N));
    Group group;
    for (std::int64_t unit = next++; unit < groups * parts; unit = next++) {
      if (group.index != unit / parts) {
        group.index = unit / parts;
        group.first = all * group.index / groups;
        group.last = all * (group.index + 1) / groups;
        lay_out(group);
        transform_group(group, args.input, values);
      }
      const std::int64_t part = unit % parts;
      std::int64_t k = 0;
      for (std::int64_t panel = 0; panel < panels * (part + 1) / parts; ++panel) {
        const std::int64_t width = plan_.panel_width(k);
        if (panel >= panels * part / parts) {
          multiply_panel(group, k, values, products, weights);
          finish_panel(group, k, products, args, codes);
        }
        k += width;
      }
    }
  });
  if (pool_kernel_ > 0) {
    max_pool(unpooled, args.N, shape_.P(), shape_.Q(), shape_.K, pool_kernel_, pool_stride_,
             args.codes);
  }
}

}  // namespace

const FastConvKernels& fastconv_kernels() {
  static const FastConvKernels ref = {"ref",
                                      false,
                                      fastconv_input_ref,
                                      fastconv_weights_ref,
                                      fastconv_multiply_ref,
                                      fastconv_output_ref};
#if defined(__x86_64__)
  static const FastConvKernels avx2 = {"avx2",
                                       true,
                                       fastconv_input_avx2,
                                       fastconv_weights_avx2,
                                       fastconv_multiply_avx2,
                                       fastconv_output_avx2};
  static const FastConvKernels vnni = {"avx512vnni",
                                       false,
                                       fastconv_input_avx512vnni,
                                       fastconv_weights_avx512vnni,
                                       fastconv_multiply_avx512vnni,
                                       fastconv_output_avx512vnni};
  if (active_isa() >= Isa::avx512vnni) return vnni;
  if (active_isa() >= Isa::avx2) return avx2;
#endif
  return ref;
}

std::unique_ptr<PreparedLayer> prepare_fastconv(const IntLayer& layer, int tile,
                                                const FastConvKernels& kernels) {
  FastConvPlan plan;
  std::string why;
  if (!plan_fastconv(layer, tile, kernels.pairs_in_16_bits, plan, why)) return nullptr;
  return std::make_unique<FastConvLayer>(layer, std::move(plan), kernels, std::move(why));
}

std::unique_ptr<PreparedLayer> prepare_winograd4(const IntLayer& layer) {
  return prepare_fastconv(layer, 4, fastconv_kernels());
}

std::unique_ptr<PreparedLayer> prepare_winograd2(const IntLayer& layer) {
  return prepare_fastconv(layer, 2, fastconv_kernels());
}

}  // namespace intandem
