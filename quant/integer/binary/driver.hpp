// Driver of the one-bit kernels that read windows in packed rows. A task is some output rows of an
// image: their input rows are packed with their padding around them, in the worker's own memory,
// and windows are read where they lie. Images of one pixel, as a linear layer's, are the pixels of
// one row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "quant/integer/model.hpp"
#include "quant/integer/prepared_layer.hpp"
#include "quant/integer/requant/block.hpp"

namespace intandem {

class BinaryRows : public PreparedLayer {
 public:
  std::string reason() const override { return "one-bit weights and codes"; }
  std::int64_t executed_macs() const override { return layer_.shape.macs(); }
  std::int64_t scratch_bytes(std::int64_t N) const override;
  void run(const LayerRun& args) const override;

 protected:
  /// What a kernel wants: bytes of a packed pixel, channels of a panel, output pixels of a task.
  struct Format {
    std::int64_t pixel_bytes, panel_channels, task_pixels;
  };
  /// Neighbouring output pixels of a row and the channels of a panel, from `channel` on.
  struct Outputs {
    const std::byte* window;  ///< of the first; the next one's is step_bytes() behind it
    std::int64_t pixels, panel, channel, channels;
    std::uint8_t* codes;  ///< out if stores_codes(): [pixels], K apart
    std::int32_t* acc;    ///< out else: [pixels][panel_width(panel)], 64-byte aligned
  };

  BinaryRows(const IntLayer& layer, const Format& format);
  /// `pixels` neighbouring pixels of C codes to packed ones.
  virtual void pack_pixels(const std::uint8_t* codes, std::int64_t pixels, std::byte* to) const = 0;
  virtual void multiply(const Outputs& outputs) const = 0;
  /// Whether the kernel makes codes of its counts, by thresholds.
  virtual bool stores_codes() const = 0;
  /// Channels that the kernel computes of a panel; the last one may have fewer than others.
  virtual std::int64_t panel_width(std::int64_t) const { return format_.panel_channels; }

  std::int64_t pixels() const { return layer_.shape.P() * layer_.shape.Q(); }
  /// From one window to the next. The pixels of a flat layer are images, whatever its stride.
  std::int64_t step_bytes() const {
    return (flat_ ? 1 : layer_.shape.stride) * format_.pixel_bytes;
  }

  const IntLayer layer_;
  const Format format_;
  const RequantData requant_data_;
  const bool flat_;                              // one pixel an image: one row of images
  const std::int64_t row_bytes_, window_bytes_;  // packed: an image row with padding, a window
  const std::int64_t panels_;

 private:
  std::int64_t workspace_bytes(std::int64_t N) const;
  void run_row(const LayerRun& args, const std::byte* window, std::uint8_t* codes,
               std::int64_t pixel, std::int64_t pixels, std::int64_t panel) const;

  const RequantFn requant_;
  const std::int64_t workers_;
  std::int64_t task_rows_ = 0;
};

}  // namespace intandem
