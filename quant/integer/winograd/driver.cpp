#include "quant/integer/winograd/winograd.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/requant/block.hpp"
#include "quant/integer/winograd/layout.hpp"
#include "quant/integer/winograd/plan.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kIdleShare = 5;    // a fifth of the workers' time is not to be idle
constexpr std::int64_t kManyBlocks = 16;  // of registers, per worker: groups are made of whole ones
// Positions whose weights are on their way or in use.
constexpr std::int64_t kNearPositions = 2 * kPositions1d;

class WinogradLayer final : public PreparedLayer {
 public:
  WinogradLayer(const IntLayer& layer, WinogradPlan plan, const WinogradKernels& kernels,
                const RegisterBlock& block, std::string reason)
      : shape_(layer.shape),
        plan_(std::move(plan)),
        kernels_(kernels),
        block_(block),
        layout_(plan_, block.rows),
        chunk_(kValueChunk / operand_bytes(kernels.operands)),
        reason_(std::move(reason)),
        requant_data_(layer),
        tables_(requant_data_.from(0)),
        pool_kernel_(layer.pool_kernel),
        pool_stride_(layer.pool_stride),
        workers_(std::max(1, thread_count())),
        pad_codes_(TensorU8::zeros({plan_.value_stride})) {
    if (shape_.pad > 0) std::memcpy(pad_codes_.data(), layer.pad_code.data(), shape_.C);
    const std::int64_t weight_bytes =
        kNearPositions * pieces() * plan_.plane_stride(plan_.panel_width);
    most_tiles_ = group_tiles(weight_bytes, layout_.tile_bytes());
  }

  std::string algorithm() const override {
    return "winograd" + std::to_string(plan_.tile) +
           (kernels_.operands == WinogradOperands::s16 ? "_s16_" : "_") + kernels_.isa;
  }
  std::string reason() const override { return reason_; }
  std::int64_t packed_bytes() const override {
    return plan_.weights.size_bytes() + plan_.output_bias.size_bytes() +
           requant_data_.size_bytes() + pad_codes_.size_bytes();
  }
  std::int64_t executed_macs() const override { return plan_.value_rows() * shape_.C * shape_.K; }
  Work work(std::int64_t N) const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return workers_ * worker_bytes(N) + (pool_kernel_ > 0 ? unpooled_bytes(N) : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  std::int64_t pieces() const { return static_cast<std::int64_t>(plan_.pieces.size()); }
  std::int64_t group_capacity(std::int64_t N) const {
    return std::min(most_tiles_, N * layout_.tiles());
  }
  /// The next unit of work, values, a chunk for those nobody wants, products.
  std::int64_t value_bytes(std::int64_t N) const {
    return layout_.value_bytes(group_capacity(N)) + kValueChunk;
  }
  std::int64_t worker_bytes(std::int64_t N) const {
    return kValueChunk + value_bytes(N) + layout_.product_bytes(group_capacity(N));
  }
  std::int64_t unpooled_bytes(std::int64_t N) const {
    return N * shape_.P() * shape_.Q() * shape_.K;
  }
  void transform_group(const WinogradGroup& group, const std::uint8_t* input,
                       std::uint8_t* values) const;
  void finish_panel(const WinogradGroup& group, std::int64_t k, const std::int32_t* products,
                    const LayerRun& args, std::uint8_t* codes) const;
  /// The first of a tile's outputs among all.
  std::int64_t first_output(const WinogradTile& tile) const {
    return ((tile.image * shape_.P() + tile.row) * shape_.Q() + tile.column) * shape_.K;
  }
  void multiply_panel(const WinogradGroup& group, std::int64_t k, const std::uint8_t* values,
                      std::int32_t* products) const;

  ConvShape shape_;
  WinogradPlan plan_;
  const WinogradKernels& kernels_;
  const RegisterBlock& block_;
  WinogradLayout layout_;
  std::int64_t chunk_;  ///< channels in a cache line of values
  std::string reason_;
  RequantData requant_data_;
  RequantTables tables_;
  std::int64_t pool_kernel_, pool_stride_;
  std::int64_t workers_, most_tiles_ = 0;
  TensorU8 pad_codes_;
};

/// Values and sums of products are written and read again; all weights are read by every group of
/// tiles. Products of pairs (AVX2) take three instructions where the direct ones take two.
Work WinogradLayer::work(std::int64_t N) const {
  const std::int64_t groups = ceil_div(N * layout_.tiles(), most_tiles_);
  const bool pairs = kernels_.operands == WinogradOperands::u8_s8_pairs;
  const std::int64_t products =
      N * executed_macs() * operand_bytes(kernels_.operands) * (pairs ? 3 : 2) / 2;
  const std::int64_t values = plan_.value_rows() * plan_.value_stride;
  const std::int64_t sums = plan_.product_rows() * shape_.K * std::int64_t{sizeof(std::int32_t)};
  return {products, 2 * N * (values + sums) + groups * packed_bytes()};
}

void WinogradLayer::transform_group(const WinogradGroup& group, const std::uint8_t* input,
                                    std::uint8_t* values) const {
  std::int64_t done[kTileSizes] = {};
  const std::uint8_t* pixel[kTileInputs * kTileInputs];
  WinogradLayout::Offsets offsets;
  const bool steady = layout_.is_steady();
  const std::int64_t unused = layout_.value_bytes(group.last - group.first);
  WinogradTile tile = layout_.tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, layout_.advance(tile)) {
    const WinogradLayout::Place at =
        layout_.find_place(group, group.begin[tile.size] + done[tile.size]++);
    for (int piece = 0; piece < pieces(); ++piece) {
      find_pixels(shape_, tile, plan_.pieces[static_cast<std::size_t>(piece)], input,
                  pad_codes_.data(), pixel);
      WinogradInput in = {};
      in.pixel = pixel;
      in.next_tile = tile.outputs_h * shape_.stride * shape_.C;
      in.outputs_v = tile.outputs_v;
      in.outputs_h = tile.outputs_h;
      in.strided = plan_.strided;
      in.values = values;
      if (steady) {
        in.values += at.block_row[0] * plan_.value_stride + at.line[0];
        in.step = group.value_step;
      } else {
        layout_.find_offsets(group, at, piece, unused, offsets);
        in.offset = offsets.at;
      }
      for (;;) {
        in.channels = std::min(chunk_, shape_.C - in.first);
        kernels_.transform_input(in);
        in.first += chunk_;
        if (in.first >= shape_.C) break;
        if (steady) {
          in.values += at.chunk_step[0];
        } else {
          offsets.next_chunk();
        }
      }
    }
  }
}

/// All products of the group with the output channels from k on. The weights of later positions, up
/// to those of the next panel, are asked for meanwhile.
void WinogradLayer::multiply_panel(const WinogradGroup& group, std::int64_t k,
                                   const std::uint8_t* values, std::int32_t* products) const {
  const std::int64_t width = plan_.width_at(k), stride = plan_.plane_stride(width);
  const std::int8_t* const panel = plan_.weights.data() + plan_.weights_at(k);
  for (const int p : plan_.positions) {
    const int kind = layout_.kind(p), count = plan_.piece_count[p];
    const std::int8_t* weights[kMostPieces];
    for (int q = 0; q < count; ++q) weights[q] = panel + (plan_.plane[p] + q) * stride;
    const std::int64_t out = group.product_bytes[p] / std::int64_t{sizeof(std::int32_t)} +
                             group.first_row[kind] * plan_.panel_width;
    kernels_.multiply({values + group.values[p], group.blocks[kind], weights, count, plan_.quads,
                       block_, width, products + out, weights[0] + kPositions1d * count * stride});
  }
}

void WinogradLayer::finish_panel(const WinogradGroup& group, std::int64_t k,
                                 const std::int32_t* products, const LayerRun& args,
                                 std::uint8_t* codes) const {
  std::int64_t done[kTileSizes] = {};
  const std::int64_t P = shape_.P(), Q = shape_.Q(), width = plan_.width_at(k);
  WinogradTile tile = layout_.tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, layout_.advance(tile)) {
    const std::int64_t at = first_output(tile);
    WinogradOutput out = {};
    out.products = products + (group.begin[tile.size] + done[tile.size]++) * plan_.panel_width;
    out.offset_bytes = layout_.is_steady() ? nullptr : group.product_bytes;
    out.step_bytes = group.product_step_bytes;
    out.outputs_v = tile.outputs_v;
    out.outputs_h = tile.outputs_h;
    out.strided = plan_.strided;
    out.rows = static_cast<int>(std::min<std::int64_t>(tile.outputs_v, P - tile.row));
    out.columns = static_cast<int>(std::min<std::int64_t>(tile.outputs_h, Q - tile.column));
    out.first = k;
    out.channels = std::min(width, shape_.K - k);
    out.codes = codes == nullptr ? nullptr : codes + at;
    out.shortcut = args.shortcut == nullptr ? nullptr : args.shortcut + at;
    out.accumulators = args.accumulators == nullptr ? nullptr : args.accumulators + at;
    out.row_stride = Q * shape_.K;
    out.column_stride = shape_.K;
    out.bias = plan_.output_bias.data() + tile.size * plan_.output_bias.dim(1);
    out.tables = &tables_;
    kernels_.transform_output(out);
  }
}

void WinogradLayer::run(const LayerRun& args) const {
  const std::int64_t all = args.N * layout_.tiles();
  if (all == 0) return;
  const std::int64_t panels = plan_.panels();
  // Groups of whole register blocks, where workers still get nearly equal shares.
  const std::int64_t whole = all >= kManyBlocks * block_.rows * workers_ ? block_.rows : 1;
  const std::int64_t blocks = (all + whole - 1) / whole;
  const std::int64_t capacity = group_capacity(args.N) / whole;
  std::int64_t groups = (blocks + capacity - 1) / capacity;
  // Of panels that do not come out even some worker gets more than others.
  const std::int64_t idle = round_up(panels, workers_) - panels;
  if (groups >= workers_) {
    groups = std::min(blocks, (groups + workers_ - 1) / workers_ * workers_);
  } else if (kIdleShare * idle >= panels ||
             4 * args.N * plan_.value_rows() * plan_.value_stride >
                 panels * plan_.planes * plan_.plane_stride(plan_.panel_width)) {
    // Too few groups, and better that each worker reads all weights than transforms all values.
    groups = std::min(blocks, workers_);
  }
  const auto group_begin = [&](std::int64_t index) {
    return std::min(all, blocks * index / groups * whole);
  };
  // A unit of work is a panel of output channels of a group, for which the worker must have
  // transformed the group's codes.
  const std::int64_t units = groups * panels;

  auto* unpooled = reinterpret_cast<std::uint8_t*>(args.scratch) + workers_ * worker_bytes(args.N);
  std::uint8_t* codes = pool_kernel_ > 0 ? unpooled : args.codes;
  // Every worker begins with its own share, always the same, and then helps the others: with what
  // it has transformed already, else only if enough is left to be worth transforming again.
  const std::int64_t worth_it = std::min<std::int64_t>(panels, 3);
  const auto next = [&](std::int64_t worker) {
    return std::atomic_ref<std::int64_t>(
        *reinterpret_cast<std::int64_t*>(args.scratch + worker * worker_bytes(args.N)));
  };
  for (std::int64_t worker = 0; worker < workers_; ++worker) {
    next(worker).store(units * worker / workers_, std::memory_order_relaxed);
  }
  parallel_workers(workers_, [&](std::int64_t worker) {
    auto* values =
        reinterpret_cast<std::uint8_t*>(args.scratch) + worker * worker_bytes(args.N) + kValueChunk;
    auto* products = reinterpret_cast<std::int32_t*>(values + value_bytes(args.N));
    WinogradGroup group;
    for (std::int64_t i = 0; i < workers_; ++i) {
      const std::int64_t owner = (worker + i) % workers_, end = units * (owner + 1) / workers_;
      const std::int64_t last_group = (end - 1) / panels;
      for (;;) {
        const std::int64_t left = end - next(owner).load(std::memory_order_relaxed);
        if (owner != worker && group.index != last_group && left < worth_it) break;
        const std::int64_t unit = next(owner)++, panel = unit % panels;
        if (unit >= end) break;
        if (group.index != unit / panels) {
          group.index = unit / panels;
          group.first = group_begin(group.index);
          group.last = group_begin(group.index + 1);
          layout_.lay_out(group);
          transform_group(group, args.input, values);
        }
        multiply_panel(group, panel * plan_.panel_width, values, products);
        finish_panel(group, panel * plan_.panel_width, products, args, codes);
      }
    }
  });
  if (pool_kernel_ > 0) {
    max_pool(unpooled, args.N, shape_.P(), shape_.Q(), shape_.K, pool_kernel_, pool_stride_,
             args.codes);
  }
}

/// Whether 8-bit operands are sure to do, AVX2's pairs included: 255·(63 + 63) < 2¹⁵.
bool bytes_do(const IntLayer& layer) {
  const auto& weights = layer.weights;
  return 16 * layer.in_max <= 255 &&
         std::all_of(weights.begin(), weights.end(), [](std::int8_t w) { return w * w <= 49; });
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_winograd(const IntLayer& layer, int tile,
                                                const WinogradKernels* kernels) {
  if (kernels == nullptr) return nullptr;
  WinogradPlan plan;
  std::string why;
  const ConvShape& shape = layer.shape;
  const bool few = cut_axis(shape.P(), tile).tiles * cut_axis(shape.Q(), tile).tiles < kFewTiles;
  const RegisterBlock& block = few ? kernels->few_tiles : kernels->block;
  if (!plan_winograd(layer, tile, kernels->operands, plan, why, block.panel_width)) {
    return nullptr;
  }
  return std::make_unique<WinogradLayer>(layer, std::move(plan), *kernels, block, std::move(why));
}

std::unique_ptr<PreparedLayer> prepare_winograd(const IntLayer& layer, int tile) {
  return prepare_winograd(layer, tile, winograd_kernels(false));
}

std::unique_ptr<PreparedLayer> prepare_winograd_s16(const IntLayer& layer, int tile) {
  const bool pays = tile != 3 || !isa_includes(active_isa(), Isa::avx512vnni);
  if (!pays || layer.kind != IntLayerKind::conv || bytes_do(layer)) return nullptr;
  return prepare_winograd(layer, tile, winograd_kernels(true));
}

}  // namespace intandem
