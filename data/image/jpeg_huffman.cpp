#include <algorithm>

#include "data/image/jpeg_tables.hpp"

namespace intandem {

bool HuffmanTable::define(const std::array<int, kMaxLength>& counts,
                          std::vector<std::uint8_t> symbols) {
  symbols_ = std::move(symbols);
  quick_ = {};
  std::uint32_t code = 0;
  std::int32_t next = 0;
  for (int length = 1; length <= kMaxLength; ++length) {
    const int count = counts[static_cast<std::size_t>(length - 1)];
    const auto l = static_cast<std::size_t>(length);
    offset_[l] = next - static_cast<std::int32_t>(code);
    for (int i = 0; i < count && length <= kQuickBits; ++i) {
      const std::uint32_t first = (code + static_cast<std::uint32_t>(i)) << (kQuickBits - length);
      if (first >= quick_.size()) return false;
      const Match match = {static_cast<std::uint8_t>(length),
                           symbols_[static_cast<std::size_t>(next + i)]};
      std::fill_n(quick_.begin() + first, 1 << (kQuickBits - length), match);
    }
    code += static_cast<std::uint32_t>(count);
    next += count;
    if (code > 1u << length) return false;
    end_[l] = code << (kMaxLength - length);
    code <<= 1;
  }
  return true;
}

HuffmanTable::Match HuffmanTable::match_long(std::uint32_t bits) const {
  for (int length = kQuickBits + 1; length <= kMaxLength; ++length) {
    const auto l = static_cast<std::size_t>(length);
    if (bits >= end_[l]) continue;
    const auto code = static_cast<std::int32_t>(bits >> (kMaxLength - length));
    return {static_cast<std::uint8_t>(length),
            symbols_[static_cast<std::size_t>(code + offset_[l])]};
  }
  return {};
}

}  // namespace intandem
