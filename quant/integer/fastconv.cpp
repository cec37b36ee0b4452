#include "quant/integer/fastconv.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "core/cpu.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/fastconv_layout.hpp"
#include "quant/integer/fastconv_panel.hpp"
#include "quant/integer/fastconv_plan.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kIdleShare = 5;    // a fifth of the workers' time is not to be idle
constexpr std::int64_t kManyBlocks = 16;  // of registers, per worker: groups are made of whole ones
// Codes of a call from which on the lines to write are fetched; half as many where a tile's line is
// not followed by its neighbour's.
constexpr std::int64_t kFarCodes = 4 << 20;

class FastConvLayer final : public PreparedLayer {
 public:
  FastConvLayer(const IntLayer& layer, FastConvPlan plan, const FastConvKernels& kernels,
                const RegisterBlock& block, std::string reason)
      : shape_(layer.shape),
        plan_(std::move(plan)),
        kernels_(kernels),
        block_(block),
        layout_(plan_, block.rows),
        chunk_(kValueChunk / operand_bytes(kernels.operands)),
        reason_(std::move(reason)),
        pool_kernel_(layer.pool_kernel),
        pool_stride_(layer.pool_stride),
        workers_(std::max(1, thread_count())),
        pad_codes_(TensorU8::zeros({plan_.value_stride})) {
    if (shape_.pad > 0) std::memcpy(pad_codes_.data(), layer.pad_code.data(), shape_.C);
    // Two rows of U, one of them on its way, and the computed columns.
    const std::int64_t weight_bytes =
        2 * plan_.rows[1].plane[0] * plan_.tap_stride(plan_.panel_width) + computed_bytes();
    most_tiles_ = group_tiles(weight_bytes, layout_.tile_bytes());
  }

  std::string algorithm() const override {
    return "winograd" + std::to_string(plan_.tile) +
           (kernels_.operands == FastConvOperands::s16 ? "_s16_" : "_") + kernels_.isa;
  }
  std::string reason() const override { return reason_; }
  std::int64_t packed_bytes() const override {
    return plan_.taps.size_bytes() + plan_.output_bias.size_bytes() +
           plan_.epilogue_table.size_bytes() + pad_codes_.size_bytes();
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
  /// The next unit of work, values, a chunk for those nobody wants, products, computed columns of
  /// U.
  std::int64_t value_bytes(std::int64_t N) const {
    return layout_.value_bytes(group_capacity(N)) + kValueChunk;
  }
  std::int64_t worker_bytes(std::int64_t N) const {
    return kValueChunk + value_bytes(N) + layout_.product_bytes(group_capacity(N)) +
           computed_bytes();
  }
  std::int64_t computed_bytes() const {
    return FastConvPanel::planes_at_a_time(plan_) * pieces() * plan_.tap_stride(plan_.panel_width);
  }
  std::int64_t unpooled_bytes(std::int64_t N) const {
    return N * shape_.P() * shape_.Q() * shape_.K;
  }
  void transform_group(const FastConvGroup& group, const std::uint8_t* input,
                       std::uint8_t* values) const;
  void finish_panel(const FastConvGroup& group, std::int64_t k, const std::int32_t* products,
                    const LayerRun& args, std::uint8_t* codes) const;
  /// The first of a tile's outputs among all.
  std::int64_t first_output(const FastConvTile& tile) const {
    return ((tile.image * shape_.P() + tile.row) * shape_.Q() + tile.column) * shape_.K;
  }
  void fetch_outputs(const FastConvTile& tile, const std::uint8_t* codes) const;

  ConvShape shape_;
  FastConvPlan plan_;
  const FastConvKernels& kernels_;
  const RegisterBlock& block_;
  FastConvLayout layout_;
  std::int64_t chunk_;  ///< channels in a cache line of values
  std::string reason_;
  std::int64_t pool_kernel_, pool_stride_;
  std::int64_t workers_, most_tiles_ = 0;
  TensorU8 pad_codes_;
};

/// Values and sums of products are written and read again; all weights are read by every group of
/// tiles. Products of pairs (AVX2) take three instructions where the direct ones take two.
Work FastConvLayer::work(std::int64_t N) const {
  const std::int64_t groups = ceil_div(N * layout_.tiles(), most_tiles_);
  const bool pairs = kernels_.operands == FastConvOperands::u8_s8_pairs;
  const std::int64_t products =
      N * executed_macs() * operand_bytes(kernels_.operands) * (pairs ? 3 : 2) / 2;
  const std::int64_t values = plan_.value_rows() * plan_.value_stride;
  const std::int64_t sums = plan_.product_rows() * shape_.K * std::int64_t{sizeof(std::int32_t)};
  return {products, 2 * N * (values + sums) + groups * packed_bytes()};
}

void FastConvLayer::transform_group(const FastConvGroup& group, const std::uint8_t* input,
                                    std::uint8_t* values) const {
  std::int64_t done[kTileSizes] = {};
  const std::uint8_t* pixel[kTileInputs * kTileInputs];
  FastConvLayout::Offsets offsets;
  const bool steady = layout_.is_steady();
  const std::int64_t unused = layout_.value_bytes(group.last - group.first);
  FastConvTile tile = layout_.tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, layout_.advance(tile)) {
    const FastConvLayout::Place at =
        layout_.find_place(group, group.begin[tile.size] + done[tile.size]++);
    for (int piece = 0; piece < pieces(); ++piece) {
      find_pixels(shape_, tile, plan_.pieces[static_cast<std::size_t>(piece)], input,
                  pad_codes_.data(), pixel);
      FastConvInput in = {};
      in.pixel = pixel;
      in.next_tile = tile.outputs_h * shape_.stride * shape_.C;
      in.outputs_v = tile.outputs_v;
      in.outputs_h = tile.outputs_h;
      in.form = plan_.form;
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

/// The lines of a panel that a tile will write: as many as a core can wait for at a time, and no
/// hardware prefetcher sees them coming. (Inline, or GCC finds that the call does nothing.)
[[gnu::always_inline]] inline void FastConvLayer::fetch_outputs(const FastConvTile& tile,
                                                                const std::uint8_t* codes) const {
  const std::int64_t row = shape_.Q() * shape_.K;
  const std::int64_t rows = std::min<std::int64_t>(tile.outputs_v, shape_.P() - tile.row);
  const std::int64_t columns = std::min<std::int64_t>(tile.outputs_h, shape_.Q() - tile.column);
  codes += first_output(tile);
  for (std::int64_t y = 0; y < rows; ++y, codes += row) {
    for (std::int64_t x = 0; x < columns; ++x) __builtin_prefetch(codes + x * shape_.K, 1);
  }
}

void FastConvLayer::finish_panel(const FastConvGroup& group, std::int64_t k,
                                 const std::int32_t* products, const LayerRun& args,
                                 std::uint8_t* codes) const {
  std::int64_t done[kTileSizes] = {};
  const std::int64_t P = shape_.P(), Q = shape_.Q(), width = plan_.width_at(k);
  const bool far = codes != nullptr &&
                   args.N * P * Q * shape_.K >= (plan_.panels() > 1 ? kFarCodes / 2 : kFarCodes);
  FastConvTile tile = layout_.tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, layout_.advance(tile)) {
    const std::int64_t at = first_output(tile);
    if (far && t + 1 < group.last) fetch_outputs(layout_.tile_at(t + 1), codes + k);
    FastConvOutput out = {};
    out.products = products + (group.begin[tile.size] + done[tile.size]++) * plan_.panel_width;
    out.offset_bytes = layout_.is_steady() ? nullptr : group.product_bytes;
    out.step_bytes = group.product_step_bytes;
    out.outputs_v = tile.outputs_v;
    out.outputs_h = tile.outputs_h;
    out.form = plan_.form;
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
    out.epilogue = &plan_.epilogue;
    kernels_.transform_output(out);
  }
}

void FastConvLayer::run(const LayerRun& args) const {
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
             (plan_.all_columns ? 4 : 2) * args.N * plan_.value_rows() * plan_.value_stride >
                 panels * plan_.planes * plan_.tap_bytes(plan_.panel_width)) {
    // Too few groups, and better that each worker reads or computes all weights than all values.
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
    auto* weights = reinterpret_cast<std::int8_t*>(values + value_bytes(args.N) +
                                                   layout_.product_bytes(group_capacity(args.N)));
    const FastConvPanel products_of = {plan_, layout_, kernels_, block_};
    FastConvGroup group;
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
        products_of.multiply(group, panel * plan_.panel_width, values, products, weights);
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

std::unique_ptr<PreparedLayer> prepare_fastconv(const IntLayer& layer, int tile,
                                                const FastConvKernels& kernels,
                                                std::int64_t most_stored_bytes) {
  FastConvPlan plan;
  std::string why;
  const ConvShape& shape = layer.shape;
  const bool few = cut_axis(shape.P(), tile).tiles * cut_axis(shape.Q(), tile).tiles < kFewTiles;
  const RegisterBlock& block = few ? kernels.few_tiles : kernels.block;
  if (!plan_fastconv(layer, tile, kernels.operands, plan, why, kernels.quad_step, block.panel_width,
                     most_stored_bytes)) {
    return nullptr;
  }
  return std::make_unique<FastConvLayer>(layer, std::move(plan), kernels, block, std::move(why));
}

std::unique_ptr<PreparedLayer> prepare_winograd4(const IntLayer& layer) {
  return prepare_fastconv(layer, 4, fastconv_kernels(false));
}

std::unique_ptr<PreparedLayer> prepare_winograd2(const IntLayer& layer) {
  return prepare_fastconv(layer, 2, fastconv_kernels(false));
}

std::unique_ptr<PreparedLayer> prepare_winograd3(const IntLayer& layer) {
  return prepare_fastconv(layer, 3, fastconv_kernels(false));
}

std::unique_ptr<PreparedLayer> prepare_winograd4_s16(const IntLayer& layer) {
  return bytes_do(layer) ? nullptr : prepare_fastconv(layer, 4, fastconv_kernels(true));
}

}  // namespace intandem
