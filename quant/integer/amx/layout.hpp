// Which pixels make a tile, where their windows lie, and how the work of a call is cut up.
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
#pragma once

#include <cstdint>
#include <vector>

#include "core/conv_shape.hpp"
#include "quant/integer/amx/kernels.hpp"

namespace intandem {

/// 64 consecutive codes of a window.
struct TileStep {
  std::int64_t row, first, codes;  ///< codes first … first + codes − 1 of a kernel row are real
};

/// How the work of one call is cut up.
struct TileJob {
  std::int64_t images, pixels;  ///< windows per image; all images are one if they may be
  std::int64_t tiles, height;   ///< tiles per image, pixels per tile
  std::int64_t parts, splits;   ///< tasks: images × parts of the tiles × splits of the panels
  std::int64_t copy_bytes;      ///< of the padded rows of one part
  bool fetches;                 ///< codes before they are copied
};

struct TileTask {
  std::int64_t image, first_tile, last_tile, first_panel, last_panel;
  const std::uint8_t* source;  ///< of the image or its copied rows
  std::uint8_t* gathered;      ///< [gather_bytes()]
  /// If rows of the padded image are copied, when a pair first needs them: those before `copied`
  /// are.
  std::uint8_t* copy;  ///< where row 0 would be
  const std::uint8_t *unpadded, *pad_codes;
  std::int64_t copied, last_row;
  const std::uint8_t *fetch, *fetch_end;  ///< the codes to be copied next, to be fetched till then
};

/// One or two neighbouring tiles: their windows, and the pixels they are there for.
struct TilePair {
  std::int64_t tiles;
  const std::uint8_t* codes[2];
  AmxRows rows;  ///< codes: from the image's first output on
};

class TileLayout {
 public:
  TileLayout(const ConvShape& shape, std::int64_t workers);

  const char* name() const {
    return gathers_ ? "gathered windows" : flat_ ? "pixels in a row" : "rows of outputs";
  }
  const std::vector<TileStep>& steps() const { return steps_; }
  /// Of each step, from a window's first byte.
  const std::vector<std::int32_t>& offsets() const { return offsets_; }
  /// Bytes from one pixel's window to the next one's.
  std::int64_t stride() const { return gathers_ ? pitch() : shape_.stride * shape_.C; }
  std::int64_t blocks() const { return (shape_.K + kTileChannels - 1) / kTileChannels; }
  std::int64_t panels() const { return (blocks() + 1) / 2; }
  std::int64_t weight_bytes() const {
    return blocks() * static_cast<std::int64_t>(steps_.size()) * kWeightTileBytes;
  }
  std::int64_t gather_bytes() const { return gathers_ ? 2 * kTileRows * pitch() : 0; }
  /// Estimate.
  std::int64_t pixel_cycles() const { return pixel_cycles_; }

  TileJob job(std::int64_t N) const;
  /// Task `index` of the job; its rows will be laid out in `copy` [job.copy_bytes] if they need
  /// padding.
  TileTask task(const TileJob& job, std::int64_t index, const std::uint8_t* input,
                const std::uint8_t* pad_codes, std::uint8_t* copy) const;
  /// Tiles tile and tile + 1 of a task.
  void pair(const TileJob& job, TileTask& task, std::int64_t tile, TilePair& pair) const;
  /// Lines to be fetched in each step but the first and the last of a product, for a row to be
  /// there when the one before has passed `panels` panels.
  std::int64_t fetch_lines(const TileJob& job, std::int64_t panels) const;

 private:
  void choose_source();
  void plan_steps();
  /// From one gathered window to the next, an odd number of cache lines.
  std::int64_t pitch() const {
    const auto steps = static_cast<std::int64_t>(steps_.size());
    return (steps + 1) / 2 * 2 * kTileCodes + kTileCodes;
  }
  std::int64_t first_pixel(const TileJob& job, std::int64_t tile) const;
  const std::uint8_t* window(const TileTask& task, std::int64_t pixel) const;
  const std::uint8_t* gather(const TileJob& job, const TileTask& task, std::int64_t t,
                             std::int64_t pixel) const;
  void copy_rows(TileTask& task, std::int64_t last) const;

  const ConvShape shape_;
  const std::int64_t workers_;
  bool gathers_ = false, copies_ = false;
  bool flat_ = false;              // tiles run on from row to row
  std::int64_t line_ = 0;          // windows from one row of outputs to the next; from Q on dropped
  bool merged_ = false;            // and from image to image
  std::int64_t pixel_cycles_ = 0;  // estimate
  std::int64_t row_bytes_ = 0;     // of the image or of the copy
  std::vector<TileStep> steps_;
  std::vector<std::int32_t> offsets_;
};

}  // namespace intandem
