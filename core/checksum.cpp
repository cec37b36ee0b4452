#include "core/checksum.hpp"

#include <cstring>

namespace intandem {

// Every step is a bijection of the state for a given word and of the word for a given state, so a
// change confined to one 8-byte word can never cancel out.
void Checksum::absorb(const void* data, std::int64_t size_bytes) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t state = state_;
  const auto step = [&state](std::uint64_t word) {
    state = (state ^ word) * 0x100000001B3ull;
    state ^= state >> 32;
  };
  std::int64_t i = 0;
  for (; i + 8 <= size_bytes; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + i, 8);
    step(word);
  }
  if (i < size_bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, static_cast<std::size_t>(size_bytes - i));
    step(word);
  }
  step(static_cast<std::uint64_t>(size_bytes));
  state_ = state;
}

std::string Checksum::digits() const {
  std::string digits(16, '0');
  std::uint64_t state = state_;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, state >>= 4) {
    *digit = "0123456789abcdef"[state & 15];
  }
  return digits;
}

}  // namespace intandem
