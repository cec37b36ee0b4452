#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "data/mixup.hpp"

using namespace intandem;

namespace {

constexpr std::int64_t kSize = 12;  // bytes of an image

/// [N][2][2][3] with pixels of every value.
TensorU8 plain_images(std::int64_t N) {
  TensorU8 images({N, 2, 2, 3});
  for (std::int64_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 89);
  return images;
}

/// Which images mix_images changes, of black ones and as many white ones: every mixture shows.
std::vector<bool> mixed(std::int64_t N, double share, std::int64_t first = 0) {
  TensorU8 images({N, 2, 2, 3});
  for (std::int64_t i = 0; i < images.size(); ++i) images[i] = i < images.size() / 2 ? 0 : 255;
  const TensorU8 before = images.clone();
  mix_images(images, share, Rng(3), first);
  std::vector<bool> changed;
  for (std::int64_t i = 0; i < N; ++i) {
    const std::uint8_t* image = images.data() + i * kSize;
    changed.push_back(!std::equal(image, image + kSize, before.data() + i * kSize));
  }
  return changed;
}

}  // namespace

TEST_CASE("a mixture is own and other pixels by one weight of at least a half", "[data]") {
  const std::int64_t N = 8;
  TensorU8 expected = plain_images(N), images = plain_images(N);
  const Rng rng(7);
  mix_images(images, 1.0, rng);
  for (std::int64_t i = 0; i < N; ++i) {
    const double a = 0.5 + rng.block(static_cast<std::uint64_t>(i))[1] * 0x1p-33;
    const int own = static_cast<int>(256 * a + 0.5);
    CHECK(own >= 128);
    CHECK(own <= 256);
    for (std::int64_t j = 0; j < kSize; ++j) {
      const double x = expected[i * kSize + j], y = expected[(i + 4) % N * kSize + j];
      expected[i * kSize + j] = static_cast<std::uint8_t>((own * x + (256 - own) * y) / 256 + 0.5);
    }
  }
  CHECK(std::equal(images.begin(), images.end(), expected.begin()));
}

TEST_CASE("as many images are mixed as asked, and which follows from their place", "[data]") {
  const auto none = mixed(1000, 0.0), quarter = mixed(1000, 0.25), half = mixed(1000, 0.5);
  CHECK(std::count(none.begin(), none.end(), true) == 0);
  CHECK(std::count(quarter.begin(), quarter.end(), true) > 200);
  CHECK(std::count(quarter.begin(), quarter.end(), true) < 300);
  const auto later = mixed(1000, 0.5, 5);
  CHECK(std::equal(half.begin() + 5, half.end(), later.begin()));
  CHECK(half != later);
}

TEST_CASE("a single image is left alone", "[data]") {
  CHECK(mixed(1, 1.0) == std::vector<bool>{false});
}
