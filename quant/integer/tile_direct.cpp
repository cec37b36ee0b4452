// Driver of the AMX kernels: which pixels make a tile, where their windows lie, who computes what.
//
// A tile is up to 16 pixels whose windows lie at a constant distance, and costs the same with
// fewer. All tiles of a call have one height; the last one overlaps the one before it by the few
// pixels that are over: 27 outputs are 14 + 14.
//
//   rows:   tiles along a row of outputs, windows where they lie: in the image, or in a copy of the
//           rows a task needs with their padding.
//   flat:   1×1 kernels and linear layers: all pixels of all images are one row. Other kernels of
//           stride 1: tiles run on from row to row of a copy that has the padding between two rows
//           only once; sums of windows that begin in it are dropped.
//   gather: the windows of 32 pixels are first laid side by side, kernel rows joined: short rows,
//           few channels.
#include "quant/integer/tile_direct.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/amx_kernels.hpp"
#include "quant/integer/direct.hpp"
#include "quant/integer/padded_row.hpp"
#include "quant/integer/requant_block.hpp"

namespace intandem {
namespace {

#if defined(__x86_64__)

constexpr std::int64_t kBandBytes = 256 * 1024;    // of copied rows of a task
constexpr std::int64_t kPanelBytes = 1024 * 1024;  // of weights that stay in the second-level cache
constexpr std::int64_t kTasksPerThread = 4;
constexpr std::int64_t kBlockPixels = 2 * kTileRows;

class TileDirectLayer final : public PreparedLayer {
 public:
  explicit TileDirectLayer(const IntLayer& layer)
      : layer_(layer), requant_data_(layer), requant_(requant_function(active_isa())) {
    choose_source();
    plan_steps();
    pack();
  }

  std::string algorithm() const override { return "direct_amx"; }
  std::string reason() const override {
    return gathers_ ? "gathered windows" : flat_ ? "pixels in a row" : "rows of outputs";
  }
  std::int64_t packed_bytes() const override {
    return weight_bytes() + bias_.size_bytes() + requant_data_.size_bytes();
  }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t cost() const override;
  std::int64_t scratch_bytes(std::int64_t N) const override {
    return unpooled_at(N) + (layer_.pool_kernel > 0 ? N * outputs() * layer_.shape.K : 0);
  }
  void run(const LayerRun& args) const override;

 private:
  /// 64 consecutive codes of a window.
  struct Step {
    std::int64_t row, first, codes;  // codes first … first + codes − 1 of a kernel row are real
  };
  /// How the work of one call is cut up.
  struct Job {
    std::int64_t images, pixels;  // windows per image; all images are one if they may be
    std::int64_t tiles, height;   // tiles per image, pixels per tile
    std::int64_t parts, splits;   // tasks: images × parts of the tiles × splits of the panels
    std::int64_t copy_bytes;      // of the padded rows of one part
  };
  struct Task {
    std::int64_t image, first_tile, last_tile, first_panel, last_panel;
    const std::uint8_t* source;  // of the image or its copied rows
    std::uint8_t* gathered;
  };

  /// Sums that wait for their requantization.
  struct Finish {
    std::int64_t image, tiles, pixel[2], panel;
    const std::int32_t* acc;
  };

  std::int64_t outputs() const { return layer_.shape.P() * layer_.shape.Q(); }
  std::int64_t blocks() const { return ceil_div(layer_.shape.K, kTileChannels); }
  std::int64_t panels() const { return ceil_div(blocks(), 2); }
  std::int64_t steps() const { return static_cast<std::int64_t>(steps_.size()); }
  std::int64_t weight_bytes() const { return blocks() * steps() * kWeightTileBytes; }
  /// From one gathered window to the next, an odd number of cache lines.
  std::int64_t pitch() const { return (steps() + 1) / 2 * 2 * kTileCodes + kTileCodes; }
  std::int64_t gather_bytes() const { return gathers_ ? kBlockPixels * pitch() : 0; }
  std::int64_t worker_bytes(const Job& job) const { return job.copy_bytes + gather_bytes(); }
  std::int64_t unpooled_at(std::int64_t N) const { return workers_ * worker_bytes(job_of(N)); }

  void choose_source();
  void plan_steps();
  void pack();
  Job job_of(std::int64_t N) const;
  std::int64_t first_pixel(const Job& job, std::int64_t tile) const;
  const std::uint8_t* window(const Task& task, std::int64_t pixel) const;
  const std::uint8_t* gather(const Job& job, const Task& task, std::int64_t t,
                             std::int64_t pixel) const;
  void copy_rows(const LayerRun& args, const Job& job, Task& task, std::uint8_t* copy) const;
  void run_task(const LayerRun& args, const Job& job, const Task& task, std::uint8_t* codes) const;
  void finish_tile(const LayerRun& args, const Job& job, const Finish& finish, std::int64_t t,
                   std::uint8_t* codes) const;

  const IntLayer layer_;
  const RequantData requant_data_;
  const RequantFn requant_;
  bool gathers_ = false, copies_ = false;
  bool flat_ = false;              // tiles run on from row to row
  std::int64_t line_ = 0;          // windows from one row of outputs to the next; from Q on dropped
  bool merged_ = false;            // and from image to image
  std::int64_t pixel_cycles_ = 0;  // estimate
  std::int64_t row_bytes_ = 0;     // of the image or of the copy
  std::int64_t workers_ = 1;
  std::vector<Step> steps_;
  std::vector<std::int32_t> offsets_;
  std::shared_ptr<std::byte> packed_;
  TensorS32 bias_;      // padded to whole panels
  TensorU8 pad_codes_;  // one pixel outside the image
};

// Compares cycles per pixel: a step takes a cycle per row of the tile and block, a quarter more
// where codes are not aligned; a gathered line about eight (measured).
void TileDirectLayer::choose_source() {
  const ConvShape& s = layer_.shape;
  const std::int64_t P = s.P(), Q = s.Q(), row_codes = s.S * s.C;
  const bool single = s.R == 1 && s.S == 1 && s.stride == 1 && s.pad == 0;
  const bool whole = row_codes % kTileCodes == 0;  // nothing is read past a window
  const std::int64_t row_steps = ceil_div(row_codes, kTileCodes);
  const std::int64_t width = s.W + s.pad;
  const std::int64_t row_tiles = P * ceil_div(Q, kTileRows);
  const std::int64_t flat_tiles = ceil_div((P - 1) * width + Q, kTileRows);
  const bool shares = s.pad > 0 && s.stride == 1 && width >= Q && flat_tiles < row_tiles;
  const std::int64_t tile_rows = single ? P * Q : kTileRows * (shares ? flat_tiles : row_tiles);
  const std::int64_t in_place =
      blocks() * s.R * row_steps * tile_rows * (s.C % kTileCodes == 0 ? 4 : 5) / (4 * P * Q);
  const std::int64_t gathered =
      blocks() * ceil_div(s.R * row_codes, kTileCodes) + 8 * s.R * row_steps;
  gathers_ = single ? !whole : gathered < in_place;
  copies_ = s.pad > 0 || (!gathers_ && !whole);
  const bool runs_on = shares && !gathers_;
  flat_ = gathers_ || single || runs_on;
  merged_ = flat_ && !copies_;
  line_ = runs_on ? width : Q;
  row_bytes_ = (runs_on ? width : copies_ ? s.W + 2 * s.pad : s.W) * s.C;
  pixel_cycles_ = (gathers_ ? gathered : in_place) * 5 / 4 + 6 * blocks();
  workers_ = thread_count();
  if (!layer_.pad_code.empty()) pad_codes_ = layer_.pad_code;
}

// Where channels are a multiple of 64, the S positions of a kernel row follow one another for the
// same channels: they read the same lines but one.
void TileDirectLayer::plan_steps() {
  const ConvShape& s = layer_.shape;
  const std::int64_t row_codes = s.S * s.C;
  const auto add = [&](std::int64_t row, std::int64_t first, std::int64_t end) {
    steps_.push_back({row, first, std::min(kTileCodes, end - first)});
    offsets_.push_back(static_cast<std::int32_t>((gathers_ ? 0 : row * row_bytes_) + first));
  };
  if (gathers_) {
    const std::int64_t codes = s.R * row_codes;
    for (std::int64_t c = 0; c < codes; c += kTileCodes) add(0, c, codes);
    return;
  }
  for (std::int64_t r = 0; r < s.R; ++r) {
    if (s.C % kTileCodes == 0) {
      for (std::int64_t c = 0; c < s.C; c += kTileCodes) {
        for (std::int64_t t = 0; t < s.S; ++t) add(r, t * s.C + c, row_codes);
      }
    } else {
      for (std::int64_t c = 0; c < row_codes; c += kTileCodes) add(r, c, row_codes);
    }
  }
}

// [panel][step][block][group of 4 codes][channel][4]; weights of surplus codes and channels are 0.
void TileDirectLayer::pack() {
  const ConvShape& s = layer_.shape;
  const std::int64_t row_codes = s.S * s.C;
  packed_ = allocate_aligned(static_cast<std::size_t>(weight_bytes()));
  std::memset(packed_.get(), 0, static_cast<std::size_t>(weight_bytes()));
  parallel_for(s.K, kTilePanel, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t width = std::min<std::int64_t>(2, blocks() - begin / kTileChannels);
    auto* panel = reinterpret_cast<std::int8_t*>(packed_.get()) +
                  begin / kTileChannels * steps() * kWeightTileBytes;
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t block = (k - begin) / kTileChannels, lane = k % kTileChannels;
      for (std::int64_t i = 0; i < steps(); ++i) {
        const Step& step = steps_[static_cast<std::size_t>(i)];
        const std::int8_t* weights =
            layer_.weights.data() + (k * s.R + step.row) * row_codes + step.first;
        std::int8_t* tile = panel + (i * width + block) * kWeightTileBytes;
        for (std::int64_t c = 0; c < step.codes; ++c) {
          tile[(c / kGroup * kTileChannels + lane) * kGroup + c % kGroup] = weights[c];
        }
      }
    }
  });
  bias_ = TensorS32::zeros({panels() * kTilePanel});
  std::copy(layer_.bias.begin(), layer_.bias.end(), bias_.begin());
}

/// In products of the VNNI kernels. A linear layer costs its weights' way from memory.
std::int64_t TileDirectLayer::cost() const {
  constexpr std::int64_t kVnniProducts = 128;  // per cycle
  if (layer_.kind == IntLayerKind::linear) return layer_.shape.macs();
  return kVnniProducts * outputs() * pixel_cycles_;
}

TileDirectLayer::Job TileDirectLayer::job_of(std::int64_t N) const {
  const ConvShape& s = layer_.shape;
  Job job{};
  job.images = merged_ ? 1 : N;
  job.pixels = merged_ ? N * outputs() : (s.P() - 1) * line_ + s.Q();
  if (N == 0) return job;
  const std::int64_t row = flat_ ? job.pixels : s.Q();
  const std::int64_t row_tiles = ceil_div(row, kTileRows);
  job.height = ceil_div(row, row_tiles);
  job.tiles = flat_ ? row_tiles : s.P() * row_tiles;
  // Parts whose rows fit the cache, then more tasks for the workers, of the larger operand.
  const std::int64_t rows = s.H + 2 * s.pad;
  const std::int64_t source_bytes = (merged_ ? N : 1) * rows * row_bytes_;
  job.parts = copies_ ? std::min(job.tiles, ceil_div(source_bytes, kBandBytes)) : 1;
  job.splits = 1;
  const std::int64_t tasks = job.images * job.parts, wanted = kTasksPerThread * workers_;
  if (tasks < wanted) {
    const std::int64_t more = merged_ ? wanted : workers_ / std::gcd(workers_, tasks);
    if (weight_bytes() * job.parts > source_bytes) {
      job.splits = std::min(panels(), more);
    } else {
      job.parts = std::max(job.parts, std::min(job.parts * more, job.tiles / 2));
    }
  }
  if (copies_) {
    const std::int64_t part_tiles = ceil_div(job.tiles, job.parts);
    const std::int64_t part_rows =
        std::min(s.P(), (flat_ ? part_tiles * job.height / line_ : part_tiles / row_tiles) + 2);
    const std::int64_t past = s.S * s.C + kTileCodes;  // what the last window reads too much
    job.copy_bytes =
        ceil_div(((part_rows - 1) * s.stride + s.R) * row_bytes_ + past, kTileCodes) * kTileCodes;
  }
  return job;
}

std::int64_t TileDirectLayer::first_pixel(const Job& job, std::int64_t tile) const {
  if (flat_) return std::min(tile * job.height, job.pixels - job.height);
  const std::int64_t Q = layer_.shape.Q(), row_tiles = ceil_div(Q, kTileRows);
  return tile / row_tiles * Q + std::min(tile % row_tiles * job.height, Q - job.height);
}

/// The window of a pixel; the source begins where the first image or its padded copy would.
const std::uint8_t* TileDirectLayer::window(const Task& task, std::int64_t pixel) const {
  const ConvShape& s = layer_.shape;
  std::int64_t row = pixel / line_ * s.stride;
  if (merged_) row = pixel / outputs() * s.H + pixel / line_ % s.P() * s.stride;
  return task.source + row * row_bytes_ + pixel % line_ * s.stride * s.C;
}

void TileDirectLayer::copy_rows(const LayerRun& args, const Job& job, Task& task,
                                std::uint8_t* copy) const {
  const ConvShape& s = layer_.shape;
  const std::uint8_t* image = args.input + task.image * s.H * s.W * s.C;
  const std::int64_t first = first_pixel(job, task.first_tile) / line_ * s.stride;
  const std::int64_t last =
      (first_pixel(job, task.last_tile - 1) + job.height - 1) / line_ * s.stride + s.R;
  for (std::int64_t row = first; row < last; ++row) {
    copy_padded_row(s, pad_codes_.data(), image, row - s.pad, copy + (row - first) * row_bytes_);
  }
  task.source = copy - first * row_bytes_;
}

void TileDirectLayer::finish_tile(const LayerRun& args, const Job& job, const Finish& f,
                                  std::int64_t t, std::uint8_t* codes) const {
  const std::int64_t K = layer_.shape.K, P = layer_.shape.P(), Q = layer_.shape.Q();
  const std::int64_t first = f.panel * kTilePanel, channels = std::min(kTilePanel, K - first);
  const std::int64_t end = f.pixel[t] + job.height;
  // The stretches of a row of outputs in the tile; without dropped windows there is one.
  for (std::int64_t pixel = f.pixel[t], next; pixel < end; pixel = next) {
    const bool whole = line_ == Q;
    const std::int64_t row = whole ? 0 : pixel / line_, begin = row * line_;
    next = whole ? end : std::min(end, begin + line_);
    const std::int64_t rows = whole ? end - pixel : std::min(end, begin + Q) - pixel;
    if (rows <= 0) continue;
    const std::int32_t* acc = f.acc + (t * kTileRows + pixel - f.pixel[t]) * kTilePanel;
    const std::int64_t out = (f.image * P * Q + row * Q + pixel - begin) * K + first;
    if (layer_.is_last()) {
      for (std::int64_t i = 0; i < rows; ++i) {
        std::memcpy(args.accumulators + out + i * K, acc + i * kTilePanel,
                    static_cast<std::size_t>(channels) * sizeof(std::int32_t));
      }
      continue;
    }
    requant_({acc, layer_.add >= 0 ? args.shortcut + out : nullptr, codes + out, rows, channels,
              kTilePanel, K, requant_data_.from(first)});
  }
}

// As many panels of weights as stay in the cache while all pixels pass, two tiles at a time. Sums
// are requantized while the next ones are being computed.
void TileDirectLayer::run_task(const LayerRun& args, const Job& job, const Task& task,
                               std::uint8_t* codes) const {
  const ConvShape& s = layer_.shape;
  const std::int64_t panel_bytes = 2 * steps() * kWeightTileBytes;
  const std::int64_t group = std::max<std::int64_t>(1, kPanelBytes / panel_bytes);
  alignas(64) std::int32_t acc[2][kBlockPixels * kTilePanel];
  AmxProduct product{};
  product.stride = gathers_ ? pitch() : s.stride * s.C;
  product.offsets = offsets_.data();
  product.steps = steps();
  int turn = 0;
  Finish waiting{};
  const auto finish = [&] {
    for (std::int64_t t = 0; t < waiting.tiles; ++t) finish_tile(args, job, waiting, t, codes);
  };
  amx_configure(job.height);
  for (std::int64_t begin = task.first_panel; begin < task.last_panel; begin += group) {
    const std::int64_t end = std::min(task.last_panel, begin + group);
    for (std::int64_t tile = task.first_tile; tile < task.last_tile; tile += 2) {
      const std::int64_t tiles = std::min<std::int64_t>(2, task.last_tile - tile);
      std::int64_t pixel[2] = {};
      for (std::int64_t t = 0; t < tiles; ++t) {
        pixel[t] = first_pixel(job, tile + t);
        product.codes[t] = gathers_ ? gather(job, task, t, pixel[t]) : window(task, pixel[t]);
      }
      for (std::int64_t panel = begin; panel < end; ++panel, turn ^= 1) {
        product.weights = reinterpret_cast<const std::int8_t*>(packed_.get()) + panel * panel_bytes;
        product.bias = bias_.data() + panel * kTilePanel;
        product.acc = acc[turn];
        amx_product(product, tiles, std::min<std::int64_t>(2, blocks() - 2 * panel));
        finish();
        waiting = {task.image, tiles, {pixel[0], pixel[1]}, panel, acc[turn]};
      }
    }
  }
  amx_release();
  finish();
}

/// The windows of tile t of a block, side by side.
const std::uint8_t* TileDirectLayer::gather(const Job& job, const Task& task, std::int64_t t,
                                            std::int64_t pixel) const {
  const ConvShape& s = layer_.shape;
  const std::uint8_t* sources[kTileRows];
  for (std::int64_t i = 0; i < job.height; ++i) sources[i] = window(task, pixel + i);
  std::uint8_t* gathered = task.gathered + t * kTileRows * pitch();
  amx_gather({sources, job.height, s.R, s.S * s.C, row_bytes_, gathered, pitch()});
  return gathered;
}

void TileDirectLayer::run(const LayerRun& args) const {
  const ConvShape& s = layer_.shape;
  const Job job = job_of(args.N);
  const bool pools = layer_.pool_kernel > 0;
  auto* scratch = reinterpret_cast<std::uint8_t*>(args.scratch);
  std::uint8_t* codes = pools ? scratch + workers_ * worker_bytes(job) : args.codes;
  const std::int64_t tasks = job.images * job.parts * job.splits;
  parallel_tasks(workers_, tasks, [&](std::int64_t worker, std::int64_t index) {
    std::uint8_t* own = scratch + worker * worker_bytes(job);
    const std::int64_t split = index % job.splits, part = index / job.splits % job.parts;
    Task task{};
    task.image = index / job.splits / job.parts;
    task.first_tile = job.tiles * part / job.parts;
    task.last_tile = job.tiles * (part + 1) / job.parts;
    task.first_panel = panels() * split / job.splits;
    task.last_panel = panels() * (split + 1) / job.splits;
    task.source = args.input + task.image * s.H * s.W * s.C;
    task.gathered = own + job.copy_bytes;
    if (copies_) copy_rows(args, job, task, own);
    run_task(args, job, task, codes);
  });
  if (pools) {
    max_pool(codes, args.N, s.P(), s.Q(), s.K, layer_.pool_kernel, layer_.pool_stride, args.codes);
  }
}

#endif

}  // namespace

std::unique_ptr<PreparedLayer> prepare_tile_direct(const IntLayer& layer) {
#if defined(__x86_64__)
  if (active_isa() < Isa::amx || layer.kind == IntLayerKind::avg_pool) return nullptr;
  return std::make_unique<TileDirectLayer>(layer);
#else
  (void)layer;
  return nullptr;
#endif
}

}  // namespace intandem
