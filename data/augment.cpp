#include "data/augment.hpp"

#include <algorithm>
#include <cstring>

namespace intandem {
namespace {

void fill_pixels(std::uint8_t* destination, std::int64_t count, const std::uint8_t* fill,
                 std::int64_t C) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(destination + i * C, fill, static_cast<std::size_t>(C));
  }
}

}  // namespace

AugmentDraw draw_augment(const Augment& augment, const Rng& rng, std::uint64_t position) {
  const auto words = rng.block(position);
  const auto span = static_cast<std::uint64_t>(2 * augment.shift + 1);
  AugmentDraw draw;
  draw.dy = static_cast<int>((words[0] * span) >> 32) - augment.shift;
  draw.dx = static_cast<int>((words[1] * span) >> 32) - augment.shift;
  draw.flip = augment.flip && (words[2] >> 31) != 0;
  return draw;
}

void augment_image(const std::uint8_t* source, std::int64_t H, std::int64_t W, std::int64_t C,
                   const AugmentDraw& draw, const std::uint8_t* fill, std::uint8_t* destination) {
  // Input columns first … last−1 are inside; unflipped they land dx to the left.
  const std::int64_t first = std::clamp<std::int64_t>(draw.dx, 0, W);
  const std::int64_t last = std::clamp<std::int64_t>(W + draw.dx, 0, W);
  for (std::int64_t y = 0; y < H; ++y) {
    std::uint8_t* out = destination + y * W * C;
    const std::int64_t from = y + draw.dy;
    if (from < 0 || from >= H || first >= last) {
      fill_pixels(out, W, fill, C);
      continue;
    }
    const std::uint8_t* in = source + from * W * C;
    const std::int64_t before = first - draw.dx;
    const std::int64_t after = W - (last - draw.dx);
    if (!draw.flip) {
      fill_pixels(out, before, fill, C);
      std::memcpy(out + before * C, in + first * C, static_cast<std::size_t>((last - first) * C));
      fill_pixels(out + (W - after) * C, after, fill, C);
      continue;
    }
    fill_pixels(out, after, fill, C);
    for (std::int64_t x = first; x < last; ++x) {
      const std::int64_t to = W - 1 - (x - draw.dx);
      std::memcpy(out + to * C, in + x * C, static_cast<std::size_t>(C));
    }
    fill_pixels(out + (W - before) * C, before, fill, C);
  }
}

}  // namespace intandem
