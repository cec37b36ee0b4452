#include "quant/integer/amx/layout.hpp"

#include <algorithm>
#include <numeric>

#include "core/divide.hpp"
#include "quant/integer/padded_row.hpp"

namespace intandem {
#if defined(__x86_64__)
namespace {

constexpr std::int64_t kBandBytes = 256 * 1024;  // of copied rows of a task
constexpr std::int64_t kTasksPerThread = 4;
// Codes of a call that come from beyond the second-level cache, and products of each up to which
// their way is longer than what is done with them.
constexpr std::int64_t kFarBytes = 2 << 20, kFewProducts = 2400;

}  // namespace

TileLayout::TileLayout(const ConvShape& shape, std::int64_t workers)
    : shape_(shape), workers_(workers) {
  choose_source();
  plan_steps();
}

// Compares cycles per pixel: a step takes a cycle per row of the tile and block, a quarter more
// where codes are not aligned; a gathered line about eight (measured).
void TileLayout::choose_source() {
  const ConvShape& s = shape_;
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
}

// Where channels are a multiple of 64, the S positions of a kernel row follow one another for the
// same channels: they read the same lines but one.
void TileLayout::plan_steps() {
  const ConvShape& s = shape_;
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

TileJob TileLayout::job(std::int64_t N) const {
  const ConvShape& s = shape_;
  TileJob job{};
  job.images = merged_ ? 1 : N;
  job.pixels = merged_ ? N * s.P() * s.Q() : (s.P() - 1) * line_ + s.Q();
  if (N == 0) return job;
  job.fetches =
      N * s.H * s.W * s.C >= kFarBytes && s.K * s.R * s.S / (s.stride * s.stride) <= kFewProducts;
  const std::int64_t row = flat_ ? job.pixels : s.Q();
  const std::int64_t row_tiles = ceil_div(row, kTileRows);
  job.height = ceil_div(row, row_tiles);
  job.tiles = flat_ ? row_tiles : s.P() * row_tiles;
  // Parts whose rows fit the cache, then more tasks for the workers, of the larger operand.
  const std::int64_t rows = s.H + 2 * s.pad;
  const std::int64_t source_bytes = (merged_ ? N : 1) * rows * row_bytes_;
  job.parts = copies_ ? std::min(job.tiles, ceil_div(source_bytes, kBandBytes)) : 1;
  job.splits = 1;
  const std::int64_t wanted = kTasksPerThread * workers_;
  if (job.parts > 1 && job.images * job.parts >= wanted) {
    // Equal shares.
    const std::int64_t step = workers_ / std::gcd(workers_, job.images);
    job.parts = std::min(job.tiles, round_up(job.parts, step));
  }
  const std::int64_t tasks = job.images * job.parts;
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
    job.copy_bytes = round_up(((part_rows - 1) * s.stride + s.R) * row_bytes_ + past, kTileCodes);
  }
  return job;
}

TileTask TileLayout::task(const TileJob& job, std::int64_t index, const std::uint8_t* input,
                          const std::uint8_t* pad_codes, std::uint8_t* copy) const {
  const std::int64_t split = index % job.splits, part = index / job.splits % job.parts;
  TileTask task{};
  task.image = index / job.splits / job.parts;
  task.first_tile = job.tiles * part / job.parts;
  task.last_tile = job.tiles * (part + 1) / job.parts;
  task.first_panel = panels() * split / job.splits;
  task.last_panel = panels() * (split + 1) / job.splits;
  task.source = input + task.image * shape_.H * shape_.W * shape_.C;
  task.gathered = copy + job.copy_bytes;
  if (!copies_) return task;
  task.unpadded = task.source;
  task.pad_codes = pad_codes;
  task.copied = first_pixel(job, task.first_tile) / line_ * shape_.stride;
  task.last_row =
      (first_pixel(job, task.last_tile - 1) + job.height - 1) / line_ * shape_.stride + shape_.R;
  task.copy = copy - task.copied * row_bytes_;
  task.source = task.copy;
  return task;
}

std::int64_t TileLayout::first_pixel(const TileJob& job, std::int64_t tile) const {
  if (flat_) return std::min(tile * job.height, job.pixels - job.height);
  const std::int64_t Q = shape_.Q(), row_tiles = ceil_div(Q, kTileRows);
  return tile / row_tiles * Q + std::min(tile % row_tiles * job.height, Q - job.height);
}

/// The window of a pixel; the source begins where the first image or its padded copy would.
const std::uint8_t* TileLayout::window(const TileTask& task, std::int64_t pixel) const {
  const ConvShape& s = shape_;
  std::int64_t row = pixel / line_ * s.stride;
  if (merged_) row = pixel / (s.P() * s.Q()) * s.H + pixel / line_ % s.P() * s.stride;
  return task.source + row * row_bytes_ + pixel % line_ * s.stride * s.C;
}

void TileLayout::copy_rows(TileTask& task, std::int64_t last) const {
  const ConvShape& s = shape_;
  if (task.copied >= last) return;
  for (; task.copied < last; ++task.copied) {
    copy_padded_row(s, task.pad_codes, task.unpadded, task.copied - s.pad,
                    task.copy + task.copied * row_bytes_);
  }
  const auto in_image = [&](std::int64_t row) {
    return std::clamp<std::int64_t>(std::min(row, task.last_row) - s.pad, 0, s.H) * s.W * s.C;
  };
  task.fetch = task.unpadded + in_image(last);
  task.fetch_end = task.unpadded + in_image(last + s.stride);
}

std::int64_t TileLayout::fetch_lines(const TileJob& job, std::int64_t panels) const {
  const std::int64_t lines = ceil_div(shape_.stride * shape_.W * shape_.C, kTileCodes);
  const std::int64_t pairs = ceil_div(ceil_div(line_, job.height), 2);
  const auto steps = static_cast<std::int64_t>(steps_.size());
  if (!copies_ || !job.fetches) return 0;
  return ceil_div(lines, pairs * panels * std::max<std::int64_t>(1, steps - 2));
}

/// The windows of tile t of a pair, side by side.
const std::uint8_t* TileLayout::gather(const TileJob& job, const TileTask& task, std::int64_t t,
                                       std::int64_t pixel) const {
  const ConvShape& s = shape_;
  const std::uint8_t* sources[kTileRows];
  for (std::int64_t i = 0; i < job.height; ++i) sources[i] = window(task, pixel + i);
  std::uint8_t* gathered = task.gathered + t * kTileRows * pitch();
  amx_gather({sources, job.height, s.R, s.S * s.C, row_bytes_, gathered, pitch()});
  return gathered;
}

void TileLayout::pair(const TileJob& job, TileTask& task, std::int64_t tile, TilePair& pair) const {
  const std::int64_t Q = shape_.Q(), K = shape_.K;
  pair.tiles = std::min<std::int64_t>(2, task.last_tile - tile);
  if (copies_) {
    const std::int64_t last_pixel = first_pixel(job, tile + pair.tiles - 1) + job.height - 1;
    copy_rows(task, job.fetches ? last_pixel / line_ * shape_.stride + shape_.R : task.last_row);
  }
  AmxRows& rows = pair.rows;
  rows.count = 0;
  std::int64_t done = tile > task.first_tile ? first_pixel(job, tile - 1) + job.height : 0;
  for (std::int64_t t = 0; t < pair.tiles; ++t) {
    const std::int64_t first = first_pixel(job, tile + t), end = first + job.height;
    pair.codes[t] = gathers_ ? gather(job, task, t, first) : window(task, first);
    std::int64_t pixel = std::max(first, done), row = 0, column = pixel;
    if (line_ != Q) row = pixel / line_, column = pixel % line_;
    for (; pixel < end; ++pixel, ++column) {
      if (line_ != Q && column == line_) ++row, column = 0;
      if (line_ != Q && column >= Q) continue;
      rows.sums[rows.count] =
          static_cast<std::int32_t>((t * kTileRows + pixel - first) * kTilePanel);
      rows.codes[rows.count++] = (row * Q + column) * K;
    }
    done = end;
  }
  if (rows.count % 2 == 1) {
    rows.sums[rows.count] = rows.sums[rows.count - 1];
    rows.codes[rows.count] = rows.codes[rows.count - 1];
  }
}

#endif
}  // namespace intandem
