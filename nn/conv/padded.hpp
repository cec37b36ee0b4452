// Lines of an image copied with zeros around it, for convolutions whose windows must lie inside.
#pragma once

#include <cstdint>
#include <memory>

#include "core/memory.hpp"

namespace intandem {

/// Image [H][W][C]; its lines h0 … h0 + lines − 1, of each the pixels w0 … w0 + columns − 1, to
/// to[line][column][C]; zero outside the image. h0 and w0 may be negative.
void copy_padded_lines(const float* image, std::int64_t H, std::int64_t W, std::int64_t C,
                       std::int64_t h0, std::int64_t lines, std::int64_t w0, std::int64_t columns,
                       float* to);

/// A block of allocate_aligned() seen as floats.
class FloatBlock {
 public:
  explicit FloatBlock(std::int64_t floats)
      : block_(allocate_aligned(static_cast<std::size_t>(floats) * sizeof(float))) {}
  float* data() const { return reinterpret_cast<float*>(block_.get()); }

 private:
  std::shared_ptr<std::byte> block_;
};

}  // namespace intandem
