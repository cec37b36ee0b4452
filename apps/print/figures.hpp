// How figures are rounded and printed.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

namespace intandem {

/// x rounded to so many decimals.
inline double rounded(double x, int decimals) {
  const double unit = std::pow(10.0, decimals);
  return std::round(x * unit) / unit;
}

/// 100·part/whole with two decimals; 0 for an empty whole.
inline double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0
                    : rounded(100.0 * static_cast<double>(part) / static_cast<double>(whole), 2);
}

/// x with exactly so many decimals.
inline std::string fixed(double x, int decimals) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.*f", decimals, x);
  return {text, static_cast<std::size_t>(length)};
}

/// 1234567 → "1,234,567".
inline std::string grouped(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n);
  for (auto at = static_cast<std::int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return n < 0 ? "-" + digits : digits;
}

}  // namespace intandem
