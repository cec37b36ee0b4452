// Image rows with their padding codes, for kernels that want all windows inside.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/conv_shape.hpp"

namespace intandem {

/// Row h of an image of codes [H][W][C], −pad ≤ h < H + pad, with its padding: row [W + 2·pad][C].
/// pad_code: the C codes of a pixel outside the image; not read without padding.
template <class Code>
void copy_padded_row(const ConvShape& s, const std::uint8_t* pad_code, const std::uint8_t* image,
                     std::int64_t h, Code* row) {
  const auto fill = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t w = begin; w < end; ++w) std::copy_n(pad_code, s.C, row + w * s.C);
  };
  if (h < 0 || h >= s.H) return fill(0, s.W + 2 * s.pad);
  fill(0, s.pad);
  std::copy_n(image + h * s.W * s.C, s.W * s.C, row + s.pad * s.C);
  fill(s.pad + s.W, s.W + 2 * s.pad);
}

/// `count` such rows from row `top` on, packed: [count][W + 2·pad] pixels of `pixel_units` units, W
/// pixels of an image row (s.W, or the images of a linear layer). pack(codes, pixels, to) packs
/// neighbouring pixels.
template <class Unit, class Pack>
void pack_padded_rows(const ConvShape& s, std::int64_t W, const std::uint8_t* pad_code,
                      const std::uint8_t* image, std::int64_t top, std::int64_t count,
                      std::int64_t pixel_units, const Pack& pack, Unit* to) {
  const auto pad = [&](std::int64_t pixels) {
    for (std::int64_t w = 0; w < pixels; ++w, to += pixel_units) pack(pad_code, 1, to);
  };
  for (std::int64_t h = top; h < top + count; ++h) {
    if (h < 0 || h >= s.H) {
      pad(W + 2 * s.pad);
      continue;
    }
    pad(s.pad);
    pack(image + h * s.W * s.C, W, to);
    to += W * pixel_units;
    pad(s.pad);
  }
}

}  // namespace intandem
