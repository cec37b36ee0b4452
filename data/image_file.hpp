// Image files as raw pixels, and resizing them to a network's input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/tensor.hpp"
#include "data/image/checks.hpp"  // kMaxImageSide, kMaxImagePixels
#include "data/image/pixels.hpp"

namespace intandem {

/// Decodes a JPEG, PNG, BMP or GIF file (its first frame) to u8 [H][W][channels]; channels 1 (luma
/// of colour images, (77·R + 150·G + 29·B) >> 8) or 3 (grey is repeated). The kind is told by the
/// contents, not the name. The picture is upright: the EXIF orientation of JPEG and PNG files is
/// applied. Transparent pixels are laid on white. 16-bit PNG loses its low bytes.
/// Errors name the file: missing, none of the four kinds, damaged anywhere up to the last pixel
/// (data/image/checks.hpp), larger than the limits there.
TensorU8 read_image(const std::string& path, std::int64_t channels);

/// As read_image for bytes in memory; `source` names them in errors.
TensorU8 decode_image(std::string_view bytes, const std::string& source, std::int64_t channels);

/// Whether a file that starts with these bytes (16 suffice) is of one of the four kinds.
bool is_image(std::string_view bytes);

/// The two steps of decode_image. The strict check, which takes little memory; then the decoding
/// of the same bytes, which takes up to decoding_bytes of it.
ImageFacts check_image(std::string_view bytes, const std::string& source);
Pixels decode_checked(std::string_view bytes, const std::string& source, const ImageFacts& facts,
                      std::int64_t channels);
std::int64_t decoding_bytes(const ImageFacts& facts);

/// Error (is larger than …) for files that are not even read.
void check_image_file_size(std::uintmax_t size_bytes, const std::string& source);

/// u8 [H][W][C] turned as EXIF orientation 1 … 8 asks: 2 mirrored, 3 by 180°, 4 upside down, 5
/// transposed, 6 by 90° clockwise, 7 transposed across, 8 by 90° counterclockwise.
Pixels turn_upright(Pixels image, int orientation);

/// u8 [H][W][C] → [height][width][C], separable tent filter: bilinear interpolation when enlarging;
/// when shrinking the tent is as wide as two output pixels, so nothing aliases. Weights are exact
/// integers, one rounding (half up) per direction: the same on every machine. The same size gives a
/// copy. Extents are 1 … kMaxImageSide.
TensorU8 resize_image(const TensorU8& image, std::int64_t height, std::int64_t width);

/// The largest centred rectangle of the target's aspect ratio, resized to [height][width][C].
TensorU8 fit_image(const TensorU8& image, std::int64_t height, std::int64_t width);
/// The same of u8 [H][W][C] to `destination`.
void fit_image(const std::uint8_t* image, std::int64_t H, std::int64_t W, std::int64_t C,
               std::int64_t height, std::int64_t width, std::uint8_t* destination);

}  // namespace intandem
