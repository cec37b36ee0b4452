#include <bit>

#include "data/image/checks.hpp"

namespace intandem {
namespace {

constexpr std::size_t kFileHeader_bytes = 14;

struct Bitmap {
  std::size_t offset = 0, header_bytes = 0, masks_bytes = 0, row_bytes = 0;
  std::int64_t width = 0, height = 0;
  int bits = 0;
};

/// Colour masks that give at most 8 bits each; the one for transparency may be 0.
void check_masks(const ImageBytes& file, std::size_t at, int masks) {
  for (int i = 0; i < masks; ++i) {
    const std::uint32_t mask = file.le32(at + 4 * static_cast<std::size_t>(i));
    if ((mask == 0 && i < 3) || std::popcount(mask) > 8) file.damaged("impossible colour masks");
  }
}

Bitmap read_header(const ImageBytes& file) {
  Bitmap b;
  b.offset = file.le32(10);
  b.header_bytes = file.le32(14);
  if (b.header_bytes != 40 && b.header_bytes != 108 && b.header_bytes != 124) {
    file.damaged("a header that is not supported");
  }
  b.width = static_cast<std::int32_t>(file.le32(18));
  b.height = std::abs(std::int64_t{static_cast<std::int32_t>(file.le32(22))});  // < 0: top down
  check_image_size(file, b.width, b.height);
  b.bits = static_cast<int>(file.le16(28));
  const std::uint32_t compression = file.le32(30);
  const bool masked = compression == 3 && (b.bits == 16 || b.bits == 32);
  if (compression != 0 && !masked) file.damaged("compressed, which is not supported");
  if (b.bits != 1 && b.bits != 4 && b.bits != 8 && b.bits != 16 && b.bits != 24 && b.bits != 32) {
    file.damaged("an impossible number of bits");
  }
  b.masks_bytes = masked && b.header_bytes == 40 ? 12 : 0;
  if (masked) check_masks(file, kFileHeader_bytes + 40, b.header_bytes == 40 ? 3 : 4);
  b.row_bytes = static_cast<std::size_t>((b.width * b.bits + 31) / 32 * 4);
  return b;
}

/// Every pixel's palette entry exists; `colours` of them do.
void check_indices(const ImageBytes& rows, const Bitmap& b, std::size_t colours) {
  if (colours >= std::size_t{1} << b.bits) return;
  const auto pixels_per_byte = 8 / b.bits;
  for (std::int64_t y = 0; y < b.height; ++y) {
    const unsigned char* row = rows.data() + static_cast<std::size_t>(y) * b.row_bytes;
    for (std::int64_t x = 0; x < b.width; ++x) {
      const auto shift = 8 - b.bits * (1 + x % pixels_per_byte);
      const int index = row[x / pixels_per_byte] >> shift & ((1 << b.bits) - 1);
      if (static_cast<std::size_t>(index) >= colours) {
        rows.damaged("a pixel that names no colour of the palette");
      }
    }
  }
}

}  // namespace

ImageFacts check_bmp(const ImageBytes& file) {
  const Bitmap b = read_header(file);
  const std::size_t before = kFileHeader_bytes + b.header_bytes + b.masks_bytes;
  if (b.offset < before) file.damaged("pixels inside its header");
  const ImageBytes rows = file.part(b.offset, b.row_bytes * static_cast<std::size_t>(b.height));
  if (b.bits <= 8) {
    // The decoder takes all bytes between header and pixels for colours.
    const std::size_t colours = (b.offset - before) / 4;
    if (colours == 0 || colours > 256) file.damaged("an impossible palette");
    check_indices(rows, b, colours);
  } else if (b.offset != before) {
    file.damaged("bytes between its header and its pixels");
  }
  ImageFacts facts;
  facts.pixels = b.width * b.height;
  facts.may_be_transparent = b.bits == 16 || b.bits == 32;
  return facts;
}

}  // namespace intandem
