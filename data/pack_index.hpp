// What a packed data set holds and where: the index at the end of the file (docs/formats.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace intandem {

/// First and last bytes of the file.
inline constexpr std::string_view kPackMagic = "intandem pack 1\n";
inline constexpr const char* kPackRemedy = "pack the images again with 'intandem pack'";
inline constexpr std::int64_t kPackEntry_bytes = 40, kPackFooter_bytes = 40;

/// A record: the image itself or its file.
struct PackEntry {
  /// file: the bytes of an image file as they were. colour, grey: pixels u8 [height][width][3 or
  /// 1], upright.
  enum Kind : std::uint8_t { file = 0, colour = 1, grey = 2 };

  std::uint64_t offset = 0;    ///< of its bytes in the pack
  std::uint64_t checksum = 0;  ///< F1 of its bytes
  std::uint32_t size_bytes = 0;
  std::uint16_t height = 0, width = 0;  ///< of pixels; 0 for files
  std::int32_t label = 0;
  std::uint8_t part = 0;  ///< 0: train, 1: test
  std::uint8_t kind = file;
  std::uint32_t name_bytes = 0;

  std::int64_t channels() const { return kind == colour ? 3 : 1; }
};

struct PackIndex {
  std::string path;
  std::vector<std::string> class_names;
  std::int64_t shorter_side = 0;  ///< of the pixels; 0: files as they were
  std::vector<PackEntry> entries;
  std::string names;                   ///< of all records, one after the other
  std::vector<std::size_t> name_ends;  ///< in `names`

  /// "FILE: train/n01440764/x.JPEG"
  std::string name_of(std::size_t i) const;
};

/// F1 (core/checksum.hpp) of some bytes.
std::uint64_t pack_checksum(const void* data, std::int64_t size_bytes);

/// The index as it stands in the file, footer included, for records that end at `offset`.
std::string pack_index_bytes(const PackIndex& index, std::uint64_t offset);

/// Reads the index of an open file and checks it: every record lies inside the file, has a label
/// that is a class, and a size that is its pixels'. Errors name `path`: not a pack, another
/// version, truncated, damaged.
PackIndex read_pack_index(int descriptor, const std::string& path);

/// Reads exactly size_bytes at `offset`; Error naming `path` if the file ends before.
void read_at(int descriptor, std::uint64_t offset, void* data, std::int64_t size_bytes,
             const std::string& path);

}  // namespace intandem
