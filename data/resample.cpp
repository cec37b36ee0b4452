#include "data/resample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.hpp"
#include "data/image/checks.hpp"

namespace intandem {
namespace {

/// A weight of 1 is 2²²: 8 bits of pixel and 2 of room for sums leave 22 of 32.
constexpr int kWeightBits = 22;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

/// The input pixels first … of each output pixel, and their weights.
struct Taps {
  std::vector<std::int64_t> first, count;
  std::vector<std::int32_t> weight;  ///< [outputs][width]
  std::int64_t width = 0;            ///< room for weights per output

  const std::int32_t* of(std::int64_t i) const { return weight.data() + i * width; }
};

// Every operation on doubles below is one that IEEE 754 rounds correctly, in a fixed order and
// without contraction, so the weights are the same on every machine.
Taps make_taps(std::int64_t in, std::int64_t out, const Window& window) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double reach = std::max(scale, 1.0);  // of the tent, to either side
  Taps taps;
  taps.width = 2 * static_cast<std::int64_t>(std::ceil(reach)) + 1;
  taps.weight.assign(static_cast<std::size_t>(window.count * taps.width), 0);
  std::vector<double> share(static_cast<std::size_t>(taps.width));
  for (std::int64_t i = 0; i < window.count; ++i) {
    const double centre = (static_cast<double>(window.first + i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - reach + 0.5));
    const auto last = std::min(in, static_cast<std::int64_t>(centre + reach + 0.5));
    double sum = 0;
    for (std::int64_t j = first; j < last; ++j) {
      const double distance = (static_cast<double>(j) - centre + 0.5) * (1.0 / reach);
      const double w = std::max(0.0, 1.0 - std::abs(distance));
      share[static_cast<std::size_t>(j - first)] = w;
      sum += w;
    }
    for (std::int64_t j = first; j < last; ++j) {
      const double w = share[static_cast<std::size_t>(j - first)] / sum;
      taps.weight[static_cast<std::size_t>(i * taps.width + j - first)] =
          static_cast<std::int32_t>(0.5 + w * (1 << kWeightBits));
    }
    taps.first.push_back(first);
    taps.count.push_back(last - first);
  }
  return taps;
}

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

/// in [W][C] → out [taps][C]
template <int C>
void resample_row(const std::uint8_t* in, const Taps& across, std::uint8_t* out) {
  const auto width = static_cast<std::int64_t>(across.first.size());
  for (std::int64_t x = 0; x < width; ++x) {
    const std::uint8_t* from = in + across.first[static_cast<std::size_t>(x)] * C;
    const std::int32_t* weight = across.of(x);
    std::int32_t sum[C];
    std::fill_n(sum, C, kHalf);
    for (std::int64_t j = across.count[static_cast<std::size_t>(x)]; j > 0; --j, ++weight) {
      for (int c = 0; c < C; ++c) sum[c] += *weight * *from++;
    }
    for (int c = 0; c < C; ++c) *out++ = to_pixel(sum[c]);
  }
}

}  // namespace

void resample(const std::uint8_t* pixels, std::int64_t row_bytes, std::int64_t H, std::int64_t W,
              std::int64_t C, const ResampleTo& to, std::uint8_t* destination) {
  for (const std::int64_t extent : {H, W, to.height, to.width}) {
    INTANDEM_CHECK(extent >= 1 && extent <= kMaxImageSide, "a side of " + std::to_string(extent));
  }
  INTANDEM_CHECK(C == 1 || C == 3 || C == 4, "images of " + std::to_string(C) + " channels");
  INTANDEM_CHECK(to.rows.first >= 0 && to.rows.first + to.rows.count <= to.height &&
                     to.columns.first >= 0 && to.columns.first + to.columns.count <= to.width,
                 "a window outside of the image");
  if (to.rows.count < 1 || to.columns.count < 1) return;
  const Taps across = make_taps(W, to.width, to.columns), down = make_taps(H, to.height, to.rows);
  const auto last_row = static_cast<std::size_t>(to.rows.count - 1);
  const std::int64_t first = down.first[0];
  const std::int64_t rows = down.first[last_row] + down.count[last_row] - first;
  const std::int64_t row_size = to.columns.count * C;
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>(rows * row_size));
  const auto row = C == 1 ? resample_row<1> : C == 3 ? resample_row<3> : resample_row<4>;
  for (std::int64_t y = 0; y < rows; ++y) {
    row(pixels + (first + y) * row_bytes, across, narrow.data() + y * row_size);
  }
  std::vector<std::int32_t> sums(static_cast<std::size_t>(row_size));
  for (std::int64_t y = 0; y < to.rows.count; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const auto at = static_cast<std::size_t>(y);
    const std::uint8_t* from = narrow.data() + (down.first[at] - first) * row_size;
    for (std::int64_t j = 0; j < down.count[at]; ++j, from += row_size) {
      const std::int32_t weight = down.of(y)[j];
      for (std::int64_t i = 0; i < row_size; ++i) {
        sums[static_cast<std::size_t>(i)] += weight * from[i];
      }
    }
    std::transform(sums.begin(), sums.end(), destination + y * row_size, to_pixel);
  }
}

TensorU8 resample_image(const TensorU8& image, std::int64_t height, std::int64_t width) {
  INTANDEM_CHECK(image.rank() == 3 && image.size() > 0, "image of shape " + image.shape().str());
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  if (H == height && W == width) return image;
  INTANDEM_CHECK(height >= 1 && width >= 1, "image size must be positive");
  TensorU8 result({height, width, C});
  resample(image.data(), W * C, H, W, C, ResampleTo::whole(height, width), result.data());
  return result;
}

}  // namespace intandem
