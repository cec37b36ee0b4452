#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "data/dataset.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxChannels = 4;
/// CIFAR-10 and Fashion-MNIST have fewer.
constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;
/// The means of photos differ by some 40 grey levels, so the mean of so many is off by 2 or less.
constexpr std::int64_t kSample_images = 512;

// Exact: 255² times the pixels of 512 images stays below 2⁶³.
struct Sums {
  std::array<std::int64_t, kMaxChannels> sum{}, squares{};

  Sums& operator+=(const Sums& other) {
    for (std::size_t c = 0; c < kMaxChannels; ++c) {
      sum[c] += other.sum[c];
      squares[c] += other.squares[c];
    }
    return *this;
  }
};

}  // namespace

Normalization measure_normalization(const Dataset& train) {
  if (train.size() == 0) {
    throw Error(train.name, "there are no training images to measure the mean of",
                "check --data and --limit");
  }
  const Shape image = train.image_shape();
  const std::int64_t C = image[2], image_pixels = image[0] * image[1];
  INTANDEM_CHECK(C <= kMaxChannels, "images of " + std::to_string(C) + " channels");
  const std::int64_t count = train.size() <= kMostPixels / image_pixels
                                 ? train.size()
                                 : std::min(train.size(), kSample_images);
  const std::int64_t pixels = count * image_pixels;
  const std::int64_t grain = (std::int64_t{1} << 16) / image_pixels;
  const auto total = parallel_sum<Sums>(count, grain, [&](std::int64_t begin, std::int64_t end) {
    Sums part;
    TensorU8 pixel(image);
    for (std::int64_t k = begin; k < end; ++k) {
      train.read_image(k * train.size() / count, pixel.data());
      for (std::int64_t i = 0; i < pixel.size(); i += C) {
        for (std::int64_t c = 0; c < C; ++c) {
          const std::int64_t p = pixel[i + c];
          part.sum[static_cast<std::size_t>(c)] += p;
          part.squares[static_cast<std::size_t>(c)] += p * p;
        }
      }
    }
    return part;
  });
  Normalization norm;
  const auto n = static_cast<double>(pixels);
  for (std::size_t c = 0; c < static_cast<std::size_t>(C); ++c) {
    norm.zero_point.push_back(
        static_cast<std::int32_t>((2 * total.sum[c] + pixels) / (2 * pixels)));
    const double mean = static_cast<double>(total.sum[c]) / n;
    const double variance = static_cast<double>(total.squares[c]) / n - mean * mean;
    // 1/n is the smallest variance n integers that differ can have, up to a factor near 1.
    const bool constant = variance < 0.5 / n;
    norm.std_dev.push_back(constant ? 1.0f : static_cast<float>(std::sqrt(variance)));
  }
  return norm;
}

TensorF normalize(const TensorU8& images, const Normalization& norm) {
  INTANDEM_CHECK(images.rank() == 4, "images of shape " + images.shape().str());
  const std::int64_t C = images.dim(3);
  INTANDEM_CHECK(static_cast<std::int64_t>(norm.zero_point.size()) == C &&
                     static_cast<std::int64_t>(norm.std_dev.size()) == C &&
                     (norm.offset.empty() || static_cast<std::int64_t>(norm.offset.size()) == C),
                 "normalization of " + std::to_string(norm.zero_point.size()) +
                     " channels for images of shape " + images.shape().str());
  std::vector<float> table(static_cast<std::size_t>(256 * C));
  for (std::int64_t p = 0; p < 256; ++p) {
    for (std::int64_t c = 0; c < C; ++c) {
      const auto k = static_cast<std::size_t>(c);
      table[static_cast<std::size_t>(p * C + c)] =
          static_cast<float>(p - norm.zero_point[k]) / norm.std_dev[k] + norm.offset_of(k);
    }
  }
  TensorF result(images.shape());
  const std::int64_t pixels = images.size() / std::max<std::int64_t>(1, C);
  parallel_for(pixels, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    const std::uint8_t* in = images.data();
    float* out = result.data();
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t c = 0; c < C; ++c) {
        out[i * C + c] = table[static_cast<std::size_t>(in[i * C + c] * C + c)];
      }
    }
  });
  return result;
}

}  // namespace intandem
