#include "quant/integer/strip_window.hpp"

#include <algorithm>

#include "core/divide.hpp"

namespace intandem {
namespace {

// Longer rows save less than another loop costs, and so do fewer groups of a kernel column. Shorter
// rows wait for their weights.
constexpr std::int64_t kEdgePixels = 32, kLeastEdgePixels = 5, kEdgeGroups = 36;
constexpr std::int64_t kMostStep = 64;  // codes, of rows of spare codes

class Builder {
 public:
  explicit Builder(const ConvShape& s) : s_(s) {}

  /// Codes first … first + count − 1 of kernel row r, count ≥ 1, and what a group reads beyond.
  void add_groups(std::int64_t r, std::int64_t first, std::int64_t count) {
    const std::int64_t row = s_.S * s_.C;
    for (std::int64_t c = first; c < first + count; c += kGroup) {
      window_.offsets.push_back(static_cast<std::int32_t>(r * window_.row_length + c));
      for (std::int64_t i = c; i < c + kGroup; ++i) {
        const bool real = i < first + count;
        window_.codes.push_back(static_cast<std::int32_t>(real ? r * row + i : -1));
      }
    }
  }
  /// The spare codes of kernel rows r …, in a row of their own.
  void add_spares(std::int64_t r, std::int64_t rows, std::int64_t offset) {
    const std::int64_t row = s_.S * s_.C, rest = row % kGroup, count = rows * rest;
    window_.spares.push_back({r, rows, offset});
    for (std::int64_t j = 0; j < round_up(count, kGroup); ++j) {
      if (j % kGroup == 0) {
        window_.offsets.push_back(static_cast<std::int32_t>(offset + j));
      }
      const std::int64_t code = (r + j / rest) * row + row - rest + j % rest;
      window_.codes.push_back(static_cast<std::int32_t>(j < count ? code : -1));
    }
  }
  std::int64_t groups() const { return static_cast<std::int64_t>(window_.offsets.size()); }
  StripWindow& window() { return window_; }

 private:
  const ConvShape& s_;
  StripWindow window_;
};

/// Kernel rows whose spare codes share a row, 0 if they are better left where they are: what is
/// beyond the step of a pixel is the next pixel's.
std::int64_t rows_of_spares(const ConvShape& s) {
  const std::int64_t rest = s.S * s.C % kGroup, step = s.stride * s.C;
  if (rest == 0 || step > kMostStep) return 0;
  std::int64_t rows = std::min(s.R, step / rest);
  if (rows < s.R && rows * rest > kGroup) rows = rows * rest / kGroup * kGroup / rest;
  if (rows == 0) return 0;
  const std::int64_t shared = s.R / rows * ceil_div(rows * rest, kGroup);
  return shared + ceil_div(s.R % rows * rest, kGroup) < s.R ? rows : 0;
}

}  // namespace

StripWindow make_strip_window(const ConvShape& s, bool skips_edges) {
  Builder builder(s);
  StripWindow& window = builder.window();
  const std::int64_t row = s.S * s.C, spare_rows = rows_of_spares(s);
  window.row_length = (s.W + 2 * s.pad) * s.C;
  window.row_codes = spare_rows > 0 ? row / kGroup * kGroup : round_up(row, kGroup);
  if (spare_rows > 0) {
    const std::int64_t begin = window.row_length, length = s.Q() * s.stride * s.C + kSpareSlack;
    const std::int64_t spares = ceil_div(s.R, spare_rows);
    window.row_length += spares * length;
    for (std::int64_t r = 0; r < s.R && window.row_codes > 0; ++r) {
      builder.add_groups(r, 0, window.row_codes);
    }
    for (std::int64_t i = 0; i < spares; ++i) {
      const std::int64_t r = i * spare_rows;
      builder.add_spares(r, std::min(spare_rows, s.R - r), begin + i * length);
    }
    window.spans = {{0, builder.groups(), 0, 0}};
    return window;
  }
  const bool edges = skips_edges && s.pad > 0 && 2 * s.pad < s.S && s.pad <= kMaxOutside &&
                     s.S <= kMaxSpans && s.C % kGroup == 0 && s.Q() >= kLeastEdgePixels &&
                     s.Q() * s.stride <= kEdgePixels && s.R * s.C / kGroup >= kEdgeGroups;
  const std::int64_t columns = edges ? s.S : 1, codes = row / columns;
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t first = builder.groups();
    for (std::int64_t r = 0; r < s.R; ++r) builder.add_groups(r, column * codes, codes);
    // Pixel q reads image column q·stride + column − pad.
    const std::int64_t left =
        edges ? ceil_div(std::max<std::int64_t>(0, s.pad - column), s.stride) : 0;
    const std::int64_t inside = (s.W - 1 + s.pad - column) / s.stride + 1;
    const std::int64_t right = edges ? std::max<std::int64_t>(0, s.Q() - inside) : 0;
    window.spans.push_back({first, ceil_div(codes, kGroup), left, right});
  }
  return window;
}

}  // namespace intandem
