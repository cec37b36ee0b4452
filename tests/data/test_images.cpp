#include <catch2/catch.hpp>
#include <cmath>

#include "data/image_file.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/data/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::data_test;

TEST_CASE("image file: PNG is exact, JPEG is close, channels as asked", "[data]") {
  const TemporaryDirectory dir;
  const TensorU8 colour = gradient(13, 9, 3), grey = gradient(6, 7, 1);
  CHECK(same(read_image(dir.write("a.png", png(colour)), 3), colour));
  CHECK(same(decode_image(png(grey), "grey", 1), grey));
  const TensorU8 repeated = decode_image(png(grey), "grey", 3);
  CHECK(repeated.shape() == Shape{6, 7, 3});
  for (std::int64_t i = 0; i < repeated.size(); ++i) CHECK(repeated[i] == grey[i / 3]);
  CHECK(decode_image(png(colour), "colour", 1).shape() == Shape{13, 9, 1});

  const TensorU8 flat = TensorU8::full({20, 30, 3}, 90);
  const TensorU8 lossy = read_image(dir.write("b.jpg", jpeg(flat)), 3);
  REQUIRE(lossy.shape() == flat.shape());
  for (std::int64_t i = 0; i < lossy.size(); ++i) CHECK(std::abs(lossy[i] - 90) <= 2);
}

TEST_CASE("image file: damage is an error that names the file", "[data]") {
  const TemporaryDirectory dir;
  const std::string good_png = png(gradient(40, 50, 3)), good_jpeg = jpeg(gradient(40, 50, 3));
  const auto decode = [](const std::string& bytes) {
    return [bytes] { decode_image(bytes, "some.file", 3); };
  };
  check_error([&] { read_image(dir.path("absent.png"), 3); }, {dir.path("absent.png")});
  check_error([&] { read_image(dir.path(), 3); }, {dir.path(), "is a directory"});
  check_error(decode(""), {"some.file", "is no JPEG, PNG, BMP or GIF image"});
  check_error(decode("RIFF1234WEBP"), {"is no JPEG, PNG, BMP or GIF image"});
  check_error(decode(good_png.substr(0, 20)), {"some.file", "damaged"});
  check_error(decode(good_png.substr(0, good_png.size() / 2)), {"some.file", "damaged"});
  check_error(decode(good_jpeg.substr(0, 30)), {"some.file", "damaged"});
  for (std::size_t cut = 1; cut < 40; ++cut) {
    check_error(decode(good_jpeg.substr(0, good_jpeg.size() - 1 - cut)), {"damaged"});
  }
  CHECK_NOTHROW(decode(good_jpeg + "trailing bytes are common")());
  std::string bad_data = good_png;
  for (std::size_t i = 60; i < 80; ++i) bad_data[i] = static_cast<char>(~bad_data[i]);
  check_error(decode(bad_data), {"some.file", "damaged"});
}

TEST_CASE("image file: a header that promises too many pixels is refused", "[data]") {
  const auto with_size = [](std::uint32_t W, std::uint32_t H) {
    const std::string good = png(gradient(4, 4, 3));
    std::string header = good.substr(16, 13);
    for (int i = 0; i < 4; ++i) {
      header[static_cast<std::size_t>(i)] = static_cast<char>((W >> (24 - 8 * i)) & 255);
      header[static_cast<std::size_t>(4 + i)] = static_cast<char>((H >> (24 - 8 * i)) & 255);
    }
    const std::string bytes = good.substr(0, 8) + png_chunk("IHDR", header) + good.substr(33);
    return [bytes] { decode_image(bytes, "bomb.png", 3); };
  };
  check_error(with_size(16385, 1), {"bomb.png", "16385x1 pixels are too many"});
  check_error(with_size(16384, 16384), {"16384x16384 pixels are too many"});
  check_error(with_size(0x7fffffff, 0x7fffffff), {"bomb.png"});
  check_error(with_size(0, 5), {"bomb.png"});
}

TEST_CASE("resize: identity, constants, known values", "[data]") {
  const TensorU8 image = gradient(7, 5, 3);
  CHECK(same(resize_image(image, 7, 5), image));
  const TensorU8 flat = TensorU8::full({9, 4, 3}, 201);
  for (const auto& [h, w] : {std::pair{1, 1}, {3, 17}, {30, 2}, {9, 5}}) {
    CHECK(same(resize_image(flat, h, w), TensorU8::full({h, w, 3}, 201)));
  }
  // Two pixels to four: bilinear with edges held, 0 ¼ ¾ 1 of the way.
  TensorU8 two({1, 2, 1});
  two[0] = 0;
  two[1] = 100;
  const TensorU8 four = resize_image(two, 1, 4);
  CHECK(std::vector<int>(four.begin(), four.end()) == std::vector<int>{0, 25, 75, 100});
  // Four pixels to two: tents of weights 3 3 1 (edge cut) → (3·8 + 3·16 + 1·100)/7, half up.
  TensorU8 wide({1, 4, 1});
  const int values[] = {8, 16, 100, 200};
  for (int i = 0; i < 4; ++i) wide[i] = static_cast<std::uint8_t>(values[i]);
  const TensorU8 half = resize_image(wide, 1, 2);
  CHECK(half[0] == (2 * (3 * 8 + 3 * 16 + 100) / 7 + 1) / 2);
  CHECK(half[1] == (2 * (16 + 3 * 100 + 3 * 200) / 7 + 1) / 2);
  // Mirrored images give mirrored results.
  TensorU8 mirror({1, 4, 1});
  std::reverse_copy(wide.begin(), wide.end(), mirror.begin());
  for (const int n : {1, 2, 3, 5, 9}) {
    const TensorU8 a = resize_image(wide, 1, n), b = resize_image(mirror, 1, n);
    CHECK(std::equal(a.begin(), a.end(), std::make_reverse_iterator(b.end())));
  }
  CHECK_THROWS(resize_image(image, 0, 3));
  CHECK_THROWS(resize_image(image, 3, kMaxImageSide + 1));
}

TEST_CASE("resize: against the tent written out in double", "[data]") {
  const TensorU8 image = gradient(23, 17, 1, 9);
  for (const auto& [h, w] : {std::pair{8, 8}, {46, 30}, {23, 5}, {1, 40}}) {
    const TensorU8 result = resize_image(image, h, w);
    const auto tent = [](int in, int out, int i, int j) {
      const double scale = static_cast<double>(in) / out;
      const double t = std::abs(j + 0.5 - (i + 0.5) * scale) / std::max(1.0, scale);
      return std::max(0.0, 1.0 - t);
    };
    for (int y = 0; y < h; ++y) {
      for (int x = 0; x < w; ++x) {
        double sum = 0, total = 0;
        for (int j = 0; j < 23; ++j) {
          for (int i = 0; i < 17; ++i) {
            const double weight = tent(23, h, y, j) * tent(17, w, x, i);
            sum += weight * image[j * 17 + i];
            total += weight;
          }
        }
        CHECK(std::abs(result[y * w + x] - sum / total) < 0.51);
      }
    }
  }
}

TEST_CASE("fit: crops the centre to the target's shape first", "[data]") {
  const TensorU8 image = gradient(4, 10, 3);
  const TensorU8 square = fit_image(image, 4, 4);
  for (std::int64_t y = 0; y < 4; ++y) {
    for (std::int64_t i = 0; i < 12; ++i) CHECK(square[y * 12 + i] == image[y * 30 + 9 + i]);
  }
  CHECK(same(fit_image(image, 8, 20), resize_image(image, 8, 20)));
  CHECK(fit_image(gradient(100, 1, 1), 1, 100).shape() == Shape{1, 100, 1});
}
