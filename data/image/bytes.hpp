// The bytes of an image file, read with every access checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace intandem {

inline constexpr const char* kImageRemedy =
    "give a JPEG, PNG, BMP or GIF file that an image viewer can open";

/// Bytes that may end anywhere; reading past them is an Error that calls the file truncated.
/// Neither the bytes nor the name of their source are copied.
class ImageBytes {
 public:
  ImageBytes(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  std::size_t size() const { return bytes_.size(); }
  const unsigned char* data() const {
    return reinterpret_cast<const unsigned char*>(bytes_.data());
  }
  const std::string& source() const { return source_; }

  /// Big-endian (be) and little-endian (le) numbers at `at`.
  std::uint32_t u8(std::size_t at) const {
    if (at >= bytes_.size()) truncated();
    return data()[at];
  }
  std::uint32_t be16(std::size_t at) const { return u8(at) << 8 | u8(at + 1); }
  std::uint32_t be32(std::size_t at) const { return be16(at) << 16 | be16(at + 2); }
  std::uint32_t le16(std::size_t at) const { return u8(at) | u8(at + 1) << 8; }
  std::uint32_t le32(std::size_t at) const { return le16(at) | le16(at + 2) << 16; }

  /// size_bytes bytes from `at` on; Error if there are fewer.
  ImageBytes part(std::size_t at, std::size_t size_bytes) const {
    if (at > bytes_.size() || size_bytes > bytes_.size() - at) truncated();
    return {bytes_.substr(at, size_bytes), source_};
  }
  bool starts_with(std::string_view prefix) const {
    return bytes_.substr(0, prefix.size()) == prefix;
  }

  /// Error: the source is a damaged image, for this reason.
  [[noreturn]] void damaged(const std::string& reason) const;
  /// Error: the data ends early.
  [[noreturn]] void truncated() const;

 private:
  std::string_view bytes_;
  const std::string& source_;
};

}  // namespace intandem
