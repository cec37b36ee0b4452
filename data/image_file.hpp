// PNG and JPEG files as raw pixels, and resizing them to a network's input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/tensor.hpp"

namespace intandem {

/// Larger images are refused before anything is allocated for them.
inline constexpr std::int64_t kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 26;

/// Decodes a PNG or JPEG file to u8 [H][W][channels]; channels 1 (luma of colour images) or 3 (grey
/// is repeated). Transparency is ignored, 16-bit PNG loses its low bytes. Errors name the file:
/// missing, not PNG or JPEG, damaged, truncated, larger than the limits above.
TensorU8 read_image(const std::string& path, std::int64_t channels);

/// As read_image for bytes in memory; `source` names them in errors.
TensorU8 decode_image(std::string_view bytes, const std::string& source, std::int64_t channels);

/// u8 [H][W][C] → [height][width][C], separable tent filter: bilinear interpolation when enlarging;
/// when shrinking the tent is as wide as two output pixels, so nothing aliases. Weights are exact
/// integers, one rounding (half up) per direction: the same on every machine. The same size gives a
/// copy. Extents are 1 … kMaxImageSide.
TensorU8 resize_image(const TensorU8& image, std::int64_t height, std::int64_t width);

/// The largest centred rectangle of the target's aspect ratio, resized to [height][width][C].
TensorU8 fit_image(const TensorU8& image, std::int64_t height, std::int64_t width);

}  // namespace intandem
