// Bilinear resizing with antialiasing, bit for bit as Pillow's Image.resize(size, BILINEAR), which
// torchvision's Resize and RandomResizedCrop use. (resize_image in data/image_file.hpp is the same
// filter with one rounding instead of two; what was trained on its pixels keeps them.)
#pragma once

#include <cstdint>

#include "core/tensor.hpp"

namespace intandem {

/// Pixels first … first + count − 1 of a row or column.
struct Window {
  std::int64_t first = 0, count = 0;
};

/// The size an image is resized to, and the part of the result that is wanted.
struct ResampleTo {
  std::int64_t height = 0, width = 0;
  Window rows, columns;

  static ResampleTo whole(std::int64_t height, std::int64_t width) {
    return {height, width, {0, height}, {0, width}};
  }
};

/// pixels u8 [H][W][C] with rows row_bytes apart → destination [rows.count][columns.count][C];
/// C is 1, 3 or 4, sides are 1 … kMaxImageSide.
///
/// A separable tent filter, rows first. With s = in/out, output i is centred at (i + ½)·s and its
/// tent reaches r = max(s, 1) to each side: input j of ⌊(i+½)s − r + ½⌋ … ⌊(i+½)s + r + ½⌋ − 1
/// weighs 1 − |j + ½ − (i+½)s|/r, divided by the sum of the weights and rounded to 2⁻²². Each of
/// the two passes rounds its sum half up to 8 bits (Pillow 2.7 … 12, src/libImaging/Resample.c).
/// The same size gives a copy. The same result on every machine.
void resample(const std::uint8_t* pixels, std::int64_t row_bytes, std::int64_t H, std::int64_t W,
              std::int64_t C, const ResampleTo& to, std::uint8_t* destination);

/// u8 [H][W][C] → [height][width][C].
TensorU8 resample_image(const TensorU8& image, std::int64_t height, std::int64_t width);

}  // namespace intandem
