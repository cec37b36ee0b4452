#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/error.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

// The input pixels under the tent of one output pixel, and their integer weights.
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int64_t> weight;
  std::int64_t sum = 0;
};

// Output i of `out` is centred at (i + ½)·in/out and its tent reaches max(in/out, 1) to each side.
// Times 2·out everything is an integer: input j weighs 2·max(in, out) − |(2j+1)·out − (2i+1)·in|.
// With extents up to 2¹⁴ a sum of weights is below 2²⁹.
std::vector<Taps> make_taps(std::int64_t in, std::int64_t out) {
  const std::int64_t reach = 2 * std::max(in, out);
  std::vector<Taps> all(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    Taps& taps = all[static_cast<std::size_t>(i)];
    const std::int64_t centre = (2 * i + 1) * in;
    const std::int64_t low = std::max<std::int64_t>(0, (centre - reach) / (2 * out) - 1);
    const std::int64_t high = std::min(in - 1, (centre + reach) / (2 * out) + 1);
    taps.first = low;
    for (std::int64_t j = low; j <= high; ++j) {
      const std::int64_t w =
          std::max<std::int64_t>(0, reach - std::abs((2 * j + 1) * out - centre));
      if (w == 0 && taps.sum == 0) {
        taps.first = j + 1;
        continue;
      }
      taps.weight.push_back(w);
      taps.sum += w;
    }
  }
  return all;
}

// Horizontal results carry 8 more bits, so only the vertical rounding is visible.
constexpr std::int64_t kFraction = 256;

void resize_pixels(const std::uint8_t* image, std::int64_t row_bytes, std::int64_t H,
                   std::int64_t W, std::int64_t C, std::int64_t height, std::int64_t width,
                   std::uint8_t* destination) {
  for (const std::int64_t extent : {H, W, height, width}) {
    INTANDEM_CHECK(extent >= 1 && extent <= kMaxImageSide,
                   "cannot resize " + std::to_string(H) + "x" + std::to_string(W) + " to " +
                       std::to_string(height) + "x" + std::to_string(width));
  }
  std::vector<std::uint16_t> rows(static_cast<std::size_t>(H * width * C));
  const std::vector<Taps> across = make_taps(W, width);
  for (std::int64_t y = 0; y < H; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const Taps& taps = across[static_cast<std::size_t>(x)];
      for (std::int64_t c = 0; c < C; ++c) {
        const std::uint8_t* in = image + y * row_bytes + taps.first * C + c;
        std::int64_t sum = 0;
        for (std::size_t j = 0; j < taps.weight.size(); ++j, in += C) sum += taps.weight[j] * *in;
        rows[static_cast<std::size_t>((y * width + x) * C + c)] =
            static_cast<std::uint16_t>((sum * kFraction + taps.sum / 2) / taps.sum);
      }
    }
  }
  const std::vector<Taps> down = make_taps(H, height);
  for (std::int64_t y = 0; y < height; ++y) {
    const Taps& taps = down[static_cast<std::size_t>(y)];
    const std::int64_t divisor = taps.sum * kFraction;
    for (std::int64_t i = 0; i < width * C; ++i) {
      const std::uint16_t* in = rows.data() + taps.first * width * C + i;
      std::int64_t sum = 0;
      for (std::size_t j = 0; j < taps.weight.size(); ++j, in += width * C) {
        sum += taps.weight[j] * *in;
      }
      destination[y * width * C + i] = static_cast<std::uint8_t>((sum + divisor / 2) / divisor);
    }
  }
}

}  // namespace

TensorU8 resize_image(const TensorU8& image, std::int64_t height, std::int64_t width) {
  INTANDEM_CHECK(image.rank() == 3, "image of shape " + image.shape().str());
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  INTANDEM_CHECK(height >= 1 && width >= 1, "image size must be positive");
  TensorU8 result({height, width, C});
  resize_pixels(image.data(), W * C, H, W, C, height, width, result.data());
  return result;
}

void fit_image(const std::uint8_t* image, std::int64_t H, std::int64_t W, std::int64_t C,
               std::int64_t height, std::int64_t width, std::uint8_t* destination) {
  INTANDEM_CHECK(height >= 1 && width >= 1, "image size must be positive");
  // The side that would stick out is cut to the target's ratio, rounded to nearest, at least 1.
  const std::int64_t crop_h = std::clamp<std::int64_t>((W * height + width / 2) / width, 1, H);
  const std::int64_t crop_w = std::clamp<std::int64_t>((H * width + height / 2) / height, 1, W);
  const std::int64_t top = (H - crop_h) / 2, left = (W - crop_w) / 2;
  resize_pixels(image + (top * W + left) * C, W * C, crop_h, crop_w, C, height, width, destination);
}

TensorU8 fit_image(const TensorU8& image, std::int64_t height, std::int64_t width) {
  INTANDEM_CHECK(image.rank() == 3 && image.size() > 0, "image of shape " + image.shape().str());
  INTANDEM_CHECK(height >= 1 && width >= 1, "image size must be positive");
  const std::int64_t C = image.dim(2);
  TensorU8 result({height, width, C});
  fit_image(image.data(), image.dim(0), image.dim(1), C, height, width, result.data());
  return result;
}

}  // namespace intandem
