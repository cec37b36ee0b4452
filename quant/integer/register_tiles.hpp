// Register tiles of a height that is known at run time only: kernels take it as Rows<0, 1, …>, so
// that fold expressions name every accumulator by a constant and each gets a register.
// Internal linkage, so that files compiled for one instruction set define no shared symbol.
#pragma once

#include <cstdint>

namespace intandem {
namespace {

template <int... kIndex>
struct Rows {};

/// RowsUpTo<3>::Type is Rows<0, 1, 2>.
template <int kCount, int... kIndex>
struct RowsUpTo : RowsUpTo<kCount - 1, kCount - 1, kIndex...> {};
template <int... kIndex>
struct RowsUpTo<0, kIndex...> {
  using Type = Rows<kIndex...>;
};

/// kernel(Rows<0, …, rows − 1>{}) for 1 ≤ rows ≤ kMost.
template <int kMost, class Kernel>
[[gnu::always_inline]] inline void with_rows(std::int64_t rows, const Kernel& kernel) {
  if constexpr (kMost > 1) {
    if (rows != kMost) return with_rows<kMost - 1>(rows, kernel);
  }
  kernel(typename RowsUpTo<kMost>::Type{});
}

/// Cuts `rows` > 0 into as few tiles of at most kMost rows as will do, nearly equal ones, the first
/// of them one row taller: kernel(first row, number of tiles, Rows of one tile) for either height.
template <int kMost, class Kernel>
[[gnu::always_inline]] inline void for_equal_tiles(std::int64_t rows, const Kernel& kernel) {
  const std::int64_t count = (rows + kMost - 1) / kMost, height = rows / count;
  const std::int64_t taller = rows % count;
  const auto tiles = [&](std::int64_t first, std::int64_t number, std::int64_t tile_rows) {
    with_rows<kMost>(tile_rows, [&](auto each) { kernel(first, number, each); });
  };
  if (taller > 0) tiles(0, taller, height + 1);
  tiles(taller * (height + 1), count - taller, height);
}

}  // namespace
}  // namespace intandem
