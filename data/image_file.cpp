#include "data/image_file.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "data/image/stb.hpp"

namespace intandem {
namespace {

constexpr std::uintmax_t kMaxFile_bytes = std::uintmax_t{1} << 28;
constexpr int kWhite = 255;

struct Kind {
  std::string_view start;
  ImageFacts (*check)(const ImageBytes&);
};
constexpr Kind kKinds[] = {{"\xFF\xD8\xFF", check_jpeg},
                           {"\x89PNG", check_png},
                           {"GIF87a", check_gif},
                           {"GIF89a", check_gif},
                           {"BM", check_bmp}};

const Kind* kind_of(std::string_view bytes) {
  const auto* found = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& kind) {
    return bytes.substr(0, kind.start.size()) == kind.start;
  });
  return found == std::end(kKinds) ? nullptr : found;
}

/// [H][W][4] on white, as colour or its luma.
Pixels lay_on_white(const Pixels& image, std::int64_t channels) {
  Pixels opaque(image.H, image.W, channels);
  for (std::int64_t i = 0; i < image.H * image.W; ++i) {
    const std::uint8_t* from = image.data.get() + 4 * i;
    const int alpha = from[3];
    std::uint8_t rgb[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<std::uint8_t>((from[c] * alpha + kWhite * (255 - alpha) + 127) / 255);
    }
    std::uint8_t* to = opaque.data.get() + channels * i;
    if (channels == 1) {
      *to = stb_luma(rgb);
    } else {
      std::copy_n(rgb, 3, to);
    }
  }
  return opaque;
}

// The worst case is an interlaced 16-bit PNG with transparency: three copies of 8 bytes a pixel,
// or one of those, one of 4 and the result.
constexpr std::int64_t kDecodingPerPixel_bytes = 28;

}  // namespace

void check_image_file_size(std::uintmax_t size_bytes, const std::string& source) {
  if (size_bytes > kMaxFile_bytes) throw Error(source, "is larger than 256 MiB", kImageRemedy);
}

void check_image_size(const ImageBytes& file, std::int64_t width, std::int64_t height) {
  if (width < 1 || height < 1) file.damaged("no pixels");
  if (width <= kMaxImageSide && height <= kMaxImageSide && width * height <= kMaxImagePixels) {
    return;
  }
  throw Error(file.source(),
              std::to_string(width) + "x" + std::to_string(height) + " pixels are too many",
              "give an image of at most 16384 pixels a side and 64 million in all");
}

bool is_image(std::string_view bytes) { return kind_of(bytes) != nullptr; }

Pixels turn_upright(Pixels image, int orientation) {
  INTANDEM_CHECK(orientation >= 1 && orientation <= 8,
                 "orientation " + std::to_string(orientation));
  if (orientation == 1) return image;
  const std::int64_t H = image.H, W = image.W, C = image.C;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Pixels upright(transposed ? W : H, transposed ? H : W, C);
  std::uint8_t* to = upright.data.get();
  for (std::int64_t y = 0; y < upright.H; ++y) {
    for (std::int64_t x = 0; x < upright.W; ++x, to += C) {
      const std::int64_t row = transposed ? x : y, column = transposed ? y : x;
      const std::int64_t h = from_below ? H - 1 - row : row;
      const std::int64_t w = from_right ? W - 1 - column : column;
      std::memcpy(to, image.data.get() + (h * W + w) * C, static_cast<std::size_t>(C));
    }
  }
  return upright;
}

ImageFacts check_image(std::string_view bytes, const std::string& source) {
  const Kind* kind = kind_of(bytes);
  if (kind == nullptr) {
    throw Error(source,
                bytes.empty() ? "is empty: it is no JPEG, PNG, BMP or GIF image"
                              : "is no JPEG, PNG, BMP or GIF image",
                kImageRemedy);
  }
  check_image_file_size(bytes.size(), source);
  return kind->check({bytes, source});
}

std::int64_t decoding_bytes(const ImageFacts& facts) {
  return facts.pixels * kDecodingPerPixel_bytes;
}

Pixels decode_checked(std::string_view bytes, const std::string& source, const ImageFacts& facts,
                      std::int64_t channels) {
  INTANDEM_CHECK(channels == 1 || channels == 3, "images have 1 or 3 channels");
  const ImageBytes file(bytes, source);
  const int wanted = facts.may_be_transparent ? 4 : static_cast<int>(channels);
  Pixels image = facts.short_palette
                     ? decode_with_stb({with_full_palette(file, facts), source}, wanted)
                     : decode_with_stb(file, wanted);
  if (wanted == 4) image = lay_on_white(image, channels);
  return turn_upright(std::move(image), facts.orientation);
}

TensorU8 decode_image(std::string_view bytes, const std::string& source, std::int64_t channels) {
  const Pixels pixels = decode_checked(bytes, source, check_image(bytes, source), channels);
  TensorU8 image({pixels.H, pixels.W, pixels.C});
  std::copy_n(pixels.data.get(), pixels.size(), image.data());
  return image;
}

TensorU8 read_image(const std::string& path, std::int64_t channels) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw Error(path, "is a directory", kImageRemedy);
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, error);
  if (!error) check_image_file_size(size_bytes, path);
  return decode_image(read_file(path, kImageRemedy), path, channels);
}

}  // namespace intandem
