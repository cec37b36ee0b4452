#include <algorithm>
#include <cstdlib>
#include <cstring>
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

}  // namespace

TensorU8 resize_image(const TensorU8& image, std::int64_t height, std::int64_t width) {
  INTANDEM_CHECK(image.rank() == 3, "image of shape " + image.shape().str());
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  for (const std::int64_t extent : {H, W, height, width}) {
    INTANDEM_CHECK(extent >= 1 && extent <= kMaxImageSide, "cannot resize " + image.shape().str() +
                                                               " to " + std::to_string(height) +
                                                               "x" + std::to_string(width));
  }
  Tensor<std::uint16_t> rows({H, width, C});
  const std::vector<Taps> across = make_taps(W, width);
  for (std::int64_t y = 0; y < H; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const Taps& taps = across[static_cast<std::size_t>(x)];
      for (std::int64_t c = 0; c < C; ++c) {
        const std::uint8_t* in = image.data() + (y * W + taps.first) * C + c;
        std::int64_t sum = 0;
        for (std::size_t j = 0; j < taps.weight.size(); ++j, in += C) sum += taps.weight[j] * *in;
        rows[(y * width + x) * C + c] =
            static_cast<std::uint16_t>((sum * kFraction + taps.sum / 2) / taps.sum);
      }
    }
  }
  TensorU8 result({height, width, C});
  const std::vector<Taps> down = make_taps(H, height);
  for (std::int64_t y = 0; y < height; ++y) {
    const Taps& taps = down[static_cast<std::size_t>(y)];
    const std::int64_t divisor = taps.sum * kFraction;
    for (std::int64_t i = 0; i < width * C; ++i) {
      std::int64_t sum = 0;
      for (std::size_t j = 0; j < taps.weight.size(); ++j) {
        sum += taps.weight[j] * rows[(taps.first + static_cast<std::int64_t>(j)) * width * C + i];
      }
      result[y * width * C + i] = static_cast<std::uint8_t>((sum + divisor / 2) / divisor);
    }
  }
  return result;
}

TensorU8 fit_image(const TensorU8& image, std::int64_t height, std::int64_t width) {
  INTANDEM_CHECK(image.rank() == 3 && image.size() > 0, "image of shape " + image.shape().str());
  INTANDEM_CHECK(height >= 1 && width >= 1, "image size must be positive");
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  // The side that would stick out is cut to the target's ratio, rounded to nearest, at least 1.
  const std::int64_t crop_h = std::clamp<std::int64_t>((W * height + width / 2) / width, 1, H);
  const std::int64_t crop_w = std::clamp<std::int64_t>((H * width + height / 2) / height, 1, W);
  if (crop_h == H && crop_w == W) return resize_image(image, height, width);
  const std::int64_t top = (H - crop_h) / 2, left = (W - crop_w) / 2;
  TensorU8 crop({crop_h, crop_w, C});
  for (std::int64_t y = 0; y < crop_h; ++y) {
    std::memcpy(crop.data() + y * crop_w * C, image.data() + ((top + y) * W + left) * C,
                static_cast<std::size_t>(crop_w * C));
  }
  return resize_image(crop, height, width);
}

}  // namespace intandem
