// The checksum of containers and data (docs/formats.md, F1): notices damage, not forgery.
#pragma once

#include <cstdint>
#include <string>

namespace intandem {

class Checksum {
 public:
  /// Takes in bytes and their number: "ab" then "c" differs from "a" then "bc".
  void absorb(const void* data, std::int64_t size_bytes);
  void absorb(const std::string& text) {
    absorb(text.data(), static_cast<std::int64_t>(text.size()));
  }
  /// 16 hexadecimal digits.
  std::string digits() const;

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ull;
};

}  // namespace intandem
