// How often a text holds another.
#pragma once

#include <cstddef>
#include <string>

namespace intandem::test {

inline std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace intandem::test
