// Driver of the direct kernels: finds the rows of codes a tile needs, shares the tiles among
// threads.
//
// Outputs are cut into tiles over all rows and images.
//
// A tile's operand is a table of pointers, one per output pixel and kernel row ("tap"), each to the
// S·C consecutive codes in NHWC order under that row. The images are first copied with their
// padding, so that all windows lie inside, unless there is none. S·C is rounded up to groups of 4,
// and the weights of the surplus codes are zero: an 11×11×3 kernel row is 33 codes in 9 groups,
// 92 %. A kernel that wants codes 16 bits wide always gets a copy, which widens them.
#include "quant/integer/direct/direct.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/direct/pack.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kTablePointers = 4096;  // of one row group, 32 KiB of stack
constexpr std::int64_t kMaxGroupTiles = 16;    // keeps a group's codes in the second-level cache
constexpr std::int64_t kTasksPerThread = 4;

class DirectLayer final : public PreparedLayer {
 public:
  DirectLayer(const IntLayer& layer, const DirectKernel& kernel, std::int64_t stream_ahead_bytes)
      : layer_(layer),
        kernel_(kernel),
        code_bytes_(code_bytes(kernel.layout)),
        weights_(pack_direct(layer, kernel.layout, kernel.width)),
        requant_data_(layer),
        requant_(requant_function(active_isa())),
        stream_ahead_bytes_(stream_ahead_bytes) {
    choose_taps();
    chunk_ = narrow_chunk(layer);
    bias_ = TensorS32::zeros({round_up(layer.shape.K, kernel.width)});
    std::copy(layer.bias.begin(), layer.bias.end(), bias_.begin());
  }

  bool admissible() const { return layer_.shape.R * kernel_.max_rows <= kTablePointers; }

  std::string algorithm() const override { return kernel_.name; }
  std::string reason() const override {
    return copies_ ? "tiles of a padded copy" : "tiles of the image";
  }
  std::int64_t packed_bytes() const override {
    return weights_.bytes + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  Work work(std::int64_t N) const override {
    // What is done per output, a round trip of its sum through memory included.
    constexpr std::int64_t kOutputProducts = 64;
    const std::int64_t outputs = N * pixels_ * layer_.shape.K;
    return {N * layer_.shape.macs() * code_bytes_ + outputs * kOutputProducts, packed_bytes()};
  }
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return copy_bytes(N) + (layer_.pool_kernel > 0 ? N * pixels_ * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  struct Tile {
    std::int64_t first, rows;  // output pixels
    const std::uint8_t** table;
  };

  void choose_taps();
  std::int64_t copy_bytes(std::int64_t N) const {
    return copies_ ? round_up(N * height_ * row_bytes_ + kGroup * code_bytes_, 64) : 0;
  }
  std::int64_t group_tiles() const {
    return std::min(kMaxGroupTiles, kTablePointers / (layer_.shape.R * kernel_.max_rows));
  }
  void copy_padded(const LayerRun& args, std::uint8_t* copy) const;
  void run_tiles(const LayerRun& args, std::uint8_t* codes) const;
  void point_at(const std::uint8_t* source, const Tile& tile) const;
  void run_rows(const LayerRun& args, const std::uint8_t* source, std::uint8_t* codes,
                std::int64_t first, std::int64_t last, std::size_t panel_first,
                std::size_t panel_last) const;

  const IntLayer layer_;
  const DirectKernel& kernel_;
  const std::int64_t code_bytes_;
  const DirectWeights weights_;
  const RequantData requant_data_;
  const RequantFn requant_;
  std::int64_t chunk_ = 0;
  const std::int64_t stream_ahead_bytes_;
  std::int64_t pixels_ = 0;  // P·Q

  bool copies_ = false;
  std::int64_t row_groups_ = 0;              // of a kernel row
  std::int64_t height_ = 0, row_bytes_ = 0;  // of the image as the taps see it

  std::int64_t workers_ = thread_count();

  TensorS32 bias_;      // padded to whole panels
  TensorU8 pad_codes_;  // one pixel outside the image
};

void DirectLayer::choose_taps() {
  const ConvShape& s = layer_.shape;
  pixels_ = s.P() * s.Q();
  row_groups_ = (s.S * s.C + kGroup - 1) / kGroup;
  copies_ = code_bytes_ > 1 || s.pad > 0 || (s.S * s.C) % kGroup != 0;
  height_ = copies_ ? s.H + 2 * s.pad : s.H;
  row_bytes_ = (copies_ ? s.W + 2 * s.pad : s.W) * s.C * code_bytes_;
  if (!layer_.pad_code.empty()) pad_codes_ = layer_.pad_code;
}

// The images with their padding codes around them; the kernel may read up to 3 codes past the last
// row, which belong to the scratch memory.
void DirectLayer::copy_padded(const LayerRun& args, std::uint8_t* copy) const {
  const ConvShape& s = layer_.shape;
  parallel_for(args.N * height_, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t n = i / height_, h = i % height_ - s.pad;
      const std::uint8_t* image = args.input + n * s.H * s.W * s.C;
      std::uint8_t* row = copy + i * row_bytes_;
      if (code_bytes_ == 1) {
        copy_padded_row(s, pad_codes_.data(), image, h, row);
      } else {
        copy_padded_row(s, pad_codes_.data(), image, h, reinterpret_cast<std::uint16_t*>(row));
      }
    }
  });
}

// Fills the pointer table [R][rows] of a tile.
void DirectLayer::point_at(const std::uint8_t* source, const Tile& tile) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t P = s.P(), Q = s.Q(), step = s.stride * s.C * code_bytes_;
  std::int64_t n = tile.first / pixels_, p = tile.first / Q % P, q = tile.first % Q;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const std::uint8_t* codes = source + (n * height_ + p * s.stride) * row_bytes_ + q * step;
    for (std::int64_t r = 0; r < s.R; ++r, codes += row_bytes_)
      tile.table[r * tile.rows + i] = codes;
    if (++q == Q) {
      q = 0;
      if (++p == P) p = 0, ++n;
    }
  }
}

// Output pixels first … last−1 for some panels: a panel's weights stay in the second-level cache
// while all tiles pass.
void DirectLayer::run_rows(const LayerRun& args, const std::uint8_t* source, std::uint8_t* codes,
                           std::int64_t first, std::int64_t last, std::size_t panel_first,
                           std::size_t panel_last) const {
  const std::int64_t K = layer_.shape.K, count = last - first;
  const std::int64_t tile_count = (count + kernel_.max_rows - 1) / kernel_.max_rows;
  Tile tiles[kMaxGroupTiles];
  const std::uint8_t* table[kTablePointers];
  for (std::int64_t t = 0; t < tile_count; ++t) {
    const std::int64_t begin = first + count * t / tile_count;
    const std::int64_t end = first + count * (t + 1) / tile_count;
    tiles[t] = {begin, end - begin, table + t * layer_.shape.R * kernel_.max_rows};
    point_at(source, tiles[t]);
  }
  alignas(64) std::int32_t acc[kMaxTileRows * kMaxTileWidth];
  for (std::size_t i = panel_first; i < panel_last; ++i) {
    const DirectPanel& panel = weights_.panels[i];
    const std::int64_t channels = std::min(panel.width, K - panel.first);
    const std::byte* weights = weights_.data.get() + panel.offset_bytes;
    for (std::int64_t t = 0; t < tile_count; ++t) {
      const Tile& tile = tiles[t];
      const std::int64_t out = tile.first * K + panel.first;
      kernel_.tile({tile.table, layer_.shape.R, row_groups_, weights, bias_.data() + panel.first,
                    acc, chunk_, stream_ahead_bytes_},
                   tile.rows, panel.width);
      if (layer_.is_last()) {
        for (std::int64_t r = 0; r < tile.rows; ++r) {
          std::memcpy(args.accumulators + out + r * K, acc + r * panel.width,
                      static_cast<std::size_t>(channels) * sizeof(std::int32_t));
        }
        continue;
      }
      requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, tile.rows,
                channels, panel.width, K, requant_data_.from(panel.first)});
    }
  }
}

void DirectLayer::run_tiles(const LayerRun& args, std::uint8_t* codes) const {
  auto* scratch = reinterpret_cast<std::uint8_t*>(args.scratch);
  const std::int64_t rows = args.N * pixels_;
  const auto panels = static_cast<std::int64_t>(weights_.panels.size());
  const std::int64_t tiles = (rows + kernel_.max_rows - 1) / kernel_.max_rows;
  // Rows are split into groups first; panels only as far as that leaves threads without work.
  // Linear layers and few small images have more weights than codes: every thread reads its own.
  const std::int64_t least = (tiles + group_tiles() - 1) / group_tiles();
  const std::int64_t code_bytes = args.N * height_ * row_bytes_;
  const bool by_panels = pixels_ == 1 || (least < workers_ && weights_.bytes > code_bytes);
  const std::int64_t groups = by_panels ? least : std::min(tiles, round_up(least, workers_));
  const std::int64_t wanted = workers_ == 1 ? 1 : kTasksPerThread * workers_;
  const std::int64_t splits =
      groups == 0 ? 1 : std::clamp<std::int64_t>(wanted / groups, 1, panels);
  if (copies_) copy_padded(args, scratch);
  const std::uint8_t* source = copies_ ? scratch : args.input;
  if (groups == 1) {
    const std::int64_t workers =
        pixels_ == 1 ? linear_workers(layer_.shape, args.N, workers_) : workers_;
    SharedRange left(panels, workers);
    parallel_for(workers, 1, [&](std::int64_t, std::int64_t) {
      for (std::int64_t begin = 0, end = 0; left.take(begin, end);) {
        run_rows(args, source, codes, 0, rows, static_cast<std::size_t>(begin),
                 static_cast<std::size_t>(end));
      }
    });
    return;
  }
  std::atomic<std::int64_t> next{0};
  parallel_for(workers_, 1, [&](std::int64_t, std::int64_t) {
    for (std::int64_t task = next++; task < groups * splits; task = next++) {
      const std::int64_t group = task / splits, split = task % splits;
      // Whole tiles per group, as evenly as they go.
      const std::int64_t first = std::min(rows, tiles * group / groups * kernel_.max_rows);
      const std::int64_t last = std::min(rows, tiles * (group + 1) / groups * kernel_.max_rows);
      run_rows(args, source, codes, first, last, static_cast<std::size_t>(panels * split / splits),
               static_cast<std::size_t>(panels * (split + 1) / splits));
    }
  });
}

void DirectLayer::run(const LayerRun& args) const {
  const bool pools = layer_.pool_kernel > 0;
  std::uint8_t* codes =
      pools ? reinterpret_cast<std::uint8_t*>(args.scratch) + copy_bytes(args.N) : args.codes;
  run_tiles(args, codes);
  if (pools) {
    max_pool(codes, args.N, layer_.shape.P(), layer_.shape.Q(), layer_.shape.K, layer_.pool_kernel,
             layer_.pool_stride, args.codes);
  }
}

}  // namespace

std::unique_ptr<PreparedLayer> prepare_direct_tiles(const IntLayer& layer,
                                                    const DirectKernel& kernel,
                                                    std::int64_t stream_ahead_bytes) {
  if (layer.kind == IntLayerKind::avg_pool || layer.shape.groups > 1) return nullptr;
  auto prepared = std::make_unique<DirectLayer>(layer, kernel, stream_ahead_bytes);
  if (!prepared->admissible()) return nullptr;
  return prepared;
}

std::unique_ptr<PreparedLayer> prepare_direct_tiles(const IntLayer& layer) {
  const DirectKernel* kernel = direct_kernel(layer);
  return kernel == nullptr ? nullptr : prepare_direct_tiles(layer, *kernel);
}

std::unique_ptr<PreparedLayer> prepare_direct_tiles_ahead(const IntLayer& layer) {
  const DirectKernel* kernel = direct_kernel(layer);
  if (kernel == nullptr || !kernel->streams || layer.kind != IntLayerKind::linear) return nullptr;
  return prepare_direct_tiles(layer, *kernel, kStreamAhead_bytes);
}

}  // namespace intandem
