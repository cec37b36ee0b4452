// In which order a direct strip reads the codes of a window, four at a time. Where nothing speaks
// for another, kernel row by kernel row, each rounded up to whole groups. Two things may:
//
// Spare codes. S·C codes of a kernel row may leave 1 to 3 that fill no group (one each of 9, 21 and
// 33 with three channels). The spare codes of several kernel rows are gathered in rows of their
// own, which windows read at the same distance from pixel to pixel: 3×3×3 codes are 7 groups then
// instead of 9, 7×7×3 37 instead of 42, 11×11×3 91 instead of 99.
//
// Edges. The window of the first pixels of a row begins in the padding, that of the last ends
// there. If its codes are zeros, the kernel column that reads them may be left out for these
// pixels: 4.8 % of the products of 3×3 windows in rows of 14. So columns follow one another, not
// rows.
#pragma once

#include <cstdint>
#include <vector>

#include "quant/integer/kernel_args.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// Behind each row of spare codes, for vectors that are read and written beyond its end.
inline constexpr std::int64_t kSpareSlack = 64;

/// Lengths and offsets are counted in codes.
struct StripWindow {
  /// Groups that follow one another, the same number for each kernel row.
  struct Span {
    std::int64_t first, row_groups;
    std::int64_t outside_first, outside_last;  ///< as StripSpan
  };
  /// Rows of spare codes: kernel rows `first` … of the window.
  struct Spare {
    std::int64_t first, rows, offset;  ///< from the window's first row, pixel 0
  };

  std::vector<std::int32_t> codes;    ///< four per group: index into the R·S·C codes, −1: none
  std::vector<std::int32_t> offsets;  ///< of a group from the first code of the window
  std::vector<Span> spans;            ///< at most kMaxSpans
  std::vector<Spare> spares;
  std::int64_t row_length = 0;  ///< from an input row to the next, rows of spare codes between them
  std::int64_t row_codes = 0;   ///< groups · 4 of a kernel row without spare codes
};

/// `skips_edges`: all padding codes are 0, and the kernel makes use of it.
StripWindow make_strip_window(const ConvShape& s, bool skips_edges);

}  // namespace intandem
