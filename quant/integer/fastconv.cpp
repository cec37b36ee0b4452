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
constexpr std::int64_t kCacheBytes = 900 * 1024;
constexpr std::int64_t kSmallestGroup = 12;

constexpr std::int64_t kPadWords = 16;

/// Tiles come in four sizes: full, shorter, narrower, both (1 and 2 are bits). A group holds them
/// in this order, in which the tiles that have a given position are always neighbours: a position
/// may belong to {full}, {shorter, full}, {full, narrower} or all.
constexpr int kSizes = 4;
/// Positions come in four kinds: shorter tiles have a part in it or not, narrower ones likewise.
constexpr int kKinds = 4;
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
    one_kind_ = plan_.vertical.rest == plan_.vertical.main &&
                plan_.horizontal.rest == plan_.horizontal.main;
    for (const int p : plan_.positions) {
      const auto shared = [](const FastConvAxis& axis, int position1d) {
        const FastCorrelation& f = fast_correlation(axis.rest);
        return std::find(f.position, f.position + f.products, position1d) !=
               f.position + f.products;
      };
      if (one_kind_) continue;
      kind_[p] = (shared(plan_.vertical, p / kPositions1d) ? 1 : 0) +
                 (shared(plan_.horizontal, p % kPositions1d) ? 2 : 0);
    }
    const std::int64_t tile_bytes =
        positions() * (plan_.value_stride + kPanelWidth * std::int64_t{sizeof(std::int32_t)});
    // Two rows of taps, one of them on its way, and the computed columns.
    const std::int64_t weight_bytes = 8 * plan_.tap_stride(kPanelWidth);
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
    std::int64_t begin[kSizes] = {};                         ///< row of the first tile of a size
    std::int64_t first_row[kKinds] = {}, rows[kKinds] = {};  ///< of the positions of a kind
    std::int64_t values[kPositions2d] = {};                  ///< where a position's values begin
    std::int64_t product_bytes[kPositions2d] = {};  ///< where its products of row 0 would be
  };
  /// Where one tile's values go, per kind of position: its first chunk, and from chunk to chunk.
  struct Place {
    std::int64_t offset[kKinds] = {}, chunk_step[kKinds] = {};
  };
  struct Tile {
    std::int64_t image, v, h;  ///< tile row and column
    std::int64_t row, column;  ///< first output
    int outputs_v, outputs_h, size;
  };

  std::int64_t positions() const { return static_cast<std::int64_t>(plan_.positions.size()); }
  std::int64_t group_capacity(std::int64_t N) const { return std::min(most_tiles_, N * tiles_); }
  /// One cache line more per position, so that neighbouring positions of a tile compete for
  /// neighbouring sets of the first-level cache.
  std::int64_t value_bytes(std::int64_t N) const {
    return positions() * (group_capacity(N) * plan_.value_stride + kValueChunk);
  }
  std::int64_t product_bytes(std::int64_t N) const {
    return positions() * (group_capacity(N) * kPanelWidth + kPadWords) *
           std::int64_t{sizeof(std::int32_t)};
  }
  std::int64_t worker_bytes(std::int64_t N) const {
    return value_bytes(N) + product_bytes(N) + 2 * plan_.tap_stride(kPanelWidth);
  }
  std::int64_t unpooled_bytes(std::int64_t N) const {
    return N * shape_.P() * shape_.Q() * shape_.K;
  }

  Tile tile_at(std::int64_t index) const {
    const std::int64_t within = index % tiles_;
    return make_tile(index / tiles_, within / plan_.horizontal.tiles,
                     within % plan_.horizontal.tiles);
  }
  Tile make_tile(std::int64_t image, std::int64_t v, std::int64_t h) const {
    const int outputs_v = plan_.vertical.outputs(v), outputs_h = plan_.horizontal.outputs(h);
    return {
        image,
        v,
        h,
        v * plan_.vertical.main,
        h * plan_.horizontal.main,
        outputs_v,
        outputs_h,
        (outputs_v != plan_.vertical.main ? 1 : 0) + (outputs_h != plan_.horizontal.main ? 2 : 0)};
  }
  /// The next tile, without dividing.
  void advance(Tile& tile) const {
    const bool row_ends = tile.h + 1 == plan_.horizontal.tiles;
    const bool image_ends = row_ends && tile.v + 1 == plan_.vertical.tiles;
    tile = make_tile(tile.image + (image_ends ? 1 : 0),
                     image_ends ? 0 : tile.v + (row_ends ? 1 : 0), row_ends ? 0 : tile.h + 1);
  }
  void lay_out(Group& group) const;
  Place find_place(const Group& group, std::int64_t row) const;
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
  int kind_[kPositions2d] = {};  ///< bit 1: shorter tiles have a part in it, 2: narrower ones
  bool one_kind_ = false;        ///< all tiles are of one size
  TensorU8 pad_codes_;
};

/// The constants were measured on a Cascade Lake core with the AVX-512 VNNI kernels, in products of
/// the direct algorithm.
std::int64_t FastConvLayer::cost() const {
  constexpr std::int64_t kPerValue = 24, kPerProductSum = 56, kPerWeight = 16;
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
  Tile tile = tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, advance(tile)) ++count[tile.size];
  std::int64_t row = 0, values = 0, products = 0;
  for (const int size : kSizeOrder) {
    group.begin[size] = row;
    row += count[size];
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    group.rows[kind] = 0;
    for (const int size : kSizeOrder) {
      if ((size & ~kind) != 0)
        continue;  // smaller in a direction in which the kind wants whole ones
      if (group.rows[kind] == 0) group.first_row[kind] = group.begin[size];
      group.rows[kind] += count[size];
    }
  }
  for (const int p : plan_.positions) {
    const int kind = kind_[p];
    group.values[p] = values;
    values += group.rows[kind] * plan_.value_stride + kValueChunk;
    group.product_bytes[p] =
        (products - group.first_row[kind] * kPanelWidth) * std::int64_t{sizeof(std::int32_t)};
    products += group.rows[kind] * kPanelWidth + kPadWords;
  }
}

/// `row`: the tile's row in the group. Entries of kinds it has no part in are meaningless.
FastConvLayer::Place FastConvLayer::find_place(const Group& group, std::int64_t row) const {
  Place at;
  for (int kind = 0; kind < (one_kind_ ? 1 : kKinds); ++kind) {
    const std::int64_t r = row - group.first_row[kind], rows = group.rows[kind];
    if (r < 0 || r >= rows) continue;
    const FastConvBlocks blocks = fastconv_blocks(rows, kernels_.block_rows);
    const std::int64_t in_taller = blocks.taller * (blocks.height + 1);
    const std::int64_t height = blocks.height + (r < in_taller ? 1 : 0);
    // 32 bits, because 64-bit divisions are slow.
    const std::int64_t line = static_cast<std::uint32_t>(r < in_taller ? r : r - in_taller) %
                              static_cast<std::uint32_t>(height);
    at.offset[kind] = (r - line) * plan_.value_stride + line * kValueChunk;
    at.chunk_step[kind] = height * kValueChunk;
  }
  return at;
}

void FastConvLayer::transform_group(const Group& group, const std::uint8_t* input,
                                    std::uint8_t* values) const {
  std::int64_t done[kSizes] = {};
  const std::uint8_t* pixel[36];
  std::int64_t offset[kPositions2d];
  Tile tile = tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, advance(tile)) {
    const int height = tile.outputs_v + 2, width = tile.outputs_h + 2;
    const std::int64_t top = tile.row - shape_.pad, left = tile.column - shape_.pad;
    const std::uint8_t* corner =
        input + ((tile.image * shape_.H + top) * shape_.W + left) * shape_.C;
    if (top >= 0 && left >= 0 && top + height <= shape_.H && left + width <= shape_.W) {
      for (int y = 0; y < height; ++y) {
        const std::uint8_t* row = corner + y * shape_.W * shape_.C;
        for (int x = 0; x < width; ++x, row += shape_.C) pixel[y * width + x] = row;
      }
    } else {
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          const bool inside =
              top + y >= 0 && top + y < shape_.H && left + x >= 0 && left + x < shape_.W;
          pixel[y * width + x] =
              inside ? corner + (y * shape_.W + x) * shape_.C : pad_codes_.data();
        }
      }
    }
    const Place at = find_place(group, group.begin[tile.size] + done[tile.size]++);
    for (std::int64_t chunk = 0; chunk * kValueChunk < shape_.C; ++chunk) {
      std::int64_t common = 0;
      if (one_kind_) {
        common = at.offset[0] + chunk * at.chunk_step[0];
      } else {
        for (const int p : plan_.positions) {
          const int kind = kind_[p];
          offset[p] = group.values[p] + at.offset[kind] + chunk * at.chunk_step[kind];
        }
      }
      const std::int64_t first = chunk * kValueChunk;
      kernels_.transform_input({pixel, first, std::min(kValueChunk, shape_.C - first),
                                tile.outputs_h * shape_.C, tile.outputs_v, tile.outputs_h,
                                plan_.shift, values + common, one_kind_ ? group.values : offset});
    }
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
    const int kind = kind_[p];
    kernels_.multiply({values + group.values[p], group.rows[kind], by_column[column], plan_.quads,
                       width, start + s * width,
                       products + group.product_bytes[p] / std::int64_t{sizeof(std::int32_t)} +
                           group.first_row[kind] * kPanelWidth,
                       row + 3 * stride + s % plan_.tap_rows() * plan_.quads * 128});
  }
}

void FastConvLayer::finish_panel(const Group& group, std::int64_t k, const std::int32_t* products,
                                 const LayerRun& args, std::uint8_t* codes) const {
  std::int64_t done[kSizes] = {};
  const std::int64_t P = shape_.P(), Q = shape_.Q(), width = plan_.panel_width(k);
  Tile tile = tile_at(group.first);
  for (std::int64_t t = group.first; t < group.last; ++t, advance(tile)) {
    const std::int64_t at = ((tile.image * P + tile.row) * Q + tile.column) * shape_.K;
    FastConvOutput out = {};
    out.products = products + (group.begin[tile.size] + done[tile.size]++) * kPanelWidth;
    out.offset_bytes = group.product_bytes;
    out.outputs_v = tile.outputs_v;
    out.outputs_h = tile.outputs_h;
    out.rows = static_cast<int>(std::min<std::int64_t>(tile.outputs_v, P - tile.row));
    out.columns = static_cast<int>(std::min<std::int64_t>(tile.outputs_h, Q - tile.column));
    out.first = k;
    out.channels = std::min(width, shape_.K - k);
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
