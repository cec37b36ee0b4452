// Images made up in memory, and the bytes of files that hold them.
#pragma once

#include <string>

#include "core/tensor.hpp"

namespace intandem::data_test {

/// u8 [H][W][C], a slope in both directions that differs per channel.
TensorU8 gradient(std::int64_t H, std::int64_t W, std::int64_t C, int start = 0);

/// [H][W][1 … 4], lossless.
std::string png(const TensorU8& image);
/// [H][W][1 or 3], quality 95, baseline, no subsampling.
std::string jpeg(const TensorU8& image);
/// [H][W][3], 24 bits.
std::string bmp(const TensorU8& image);
/// One frame of palette entries, [H][W][1] below 4; the colours are those of gif_colour.
/// transparent ≥ 0: the entry that is not to be seen.
std::string gif(const TensorU8& entries, int transparent = -1);
/// Channel c of palette entry `entry`.
inline int gif_colour(int entry, int c) { return 60 * entry + 10 * c; }

bool same(const TensorU8& a, const TensorU8& b);

/// A JPEG or PNG file with an EXIF orientation.
std::string with_orientation(const std::string& jpeg_or_png, int orientation, bool little_endian);

/// One chunk of a PNG file with its checksum.
std::string png_chunk(const std::string& type, const std::string& body);

}  // namespace intandem::data_test
