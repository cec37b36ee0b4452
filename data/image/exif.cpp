#include <cstdint>

#include "data/image/checks.hpp"

namespace intandem {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3;
constexpr std::size_t kEntry_bytes = 12;

}  // namespace

int exif_orientation(const ImageBytes& tiff) {
  const bool little = tiff.starts_with(std::string_view("II*\0", 4));
  if (!little && !tiff.starts_with(std::string_view("MM\0*", 4))) return 1;
  // Written so that a damaged block ends the search instead of raising an error.
  const auto in_block = [&](std::size_t at, std::size_t size_bytes) {
    return at <= tiff.size() && size_bytes <= tiff.size() - at;
  };
  const auto u16 = [&](std::size_t at) { return little ? tiff.le16(at) : tiff.be16(at); };
  if (!in_block(4, 4)) return 1;
  const std::size_t directory = little ? tiff.le32(4) : tiff.be32(4);
  if (!in_block(directory, 2)) return 1;
  const std::size_t entries = u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry_bytes;
    if (!in_block(entry, kEntry_bytes)) return 1;
    if (u16(entry) != kOrientationTag) continue;
    const std::uint32_t value = u16(entry + 8);
    return u16(entry + 2) == kShort && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace intandem
