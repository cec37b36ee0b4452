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
TensorU8 lay_on_white(const TensorU8& image, std::int64_t channels) {
  const std::int64_t H = image.dim(0), W = image.dim(1);
  TensorU8 opaque({H, W, channels});
  for (std::int64_t i = 0; i < H * W; ++i) {
    const std::uint8_t* from = image.data() + 4 * i;
    const int alpha = from[3];
    std::uint8_t rgb[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<std::uint8_t>((from[c] * alpha + kWhite * (255 - alpha) + 127) / 255);
    }
    std::uint8_t* to = opaque.data() + channels * i;
    if (channels == 1) {
      *to = stb_luma(rgb);
    } else {
      std::copy_n(rgb, 3, to);
    }
  }
  return opaque;
}

void refuse_large_file(const std::string& source) {
  throw Error(source, "is larger than 256 MiB", kImageRemedy);
}

}  // namespace

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

TensorU8 turn_upright(const TensorU8& image, int orientation) {
  INTANDEM_CHECK(image.rank() == 3 && orientation >= 1 && orientation <= 8,
                 "orientation " + std::to_string(orientation));
  if (orientation == 1) return image;
  const std::int64_t H = image.dim(0), W = image.dim(1), C = image.dim(2);
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  TensorU8 upright({transposed ? W : H, transposed ? H : W, C});
  std::uint8_t* to = upright.data();
  for (std::int64_t y = 0; y < upright.dim(0); ++y) {
    for (std::int64_t x = 0; x < upright.dim(1); ++x, to += C) {
      const std::int64_t row = transposed ? x : y, column = transposed ? y : x;
      const std::int64_t h = from_below ? H - 1 - row : row;
      const std::int64_t w = from_right ? W - 1 - column : column;
      std::memcpy(to, image.data() + (h * W + w) * C, static_cast<std::size_t>(C));
    }
  }
  return upright;
}

TensorU8 decode_image(std::string_view bytes, const std::string& source, std::int64_t channels) {
  INTANDEM_CHECK(channels == 1 || channels == 3, "images have 1 or 3 channels");
  const Kind* kind = kind_of(bytes);
  if (kind == nullptr) throw Error(source, "is no JPEG, PNG, BMP or GIF image", kImageRemedy);
  if (bytes.size() > kMaxFile_bytes) refuse_large_file(source);
  const ImageBytes file(bytes, source);
  const ImageFacts facts = kind->check(file);
  const int wanted = facts.may_be_transparent ? 4 : static_cast<int>(channels);
  TensorU8 image = facts.short_palette
                       ? decode_with_stb({with_full_palette(file, facts), source}, wanted)
                       : decode_with_stb(file, wanted);
  if (wanted == 4) image = lay_on_white(image, channels);
  return turn_upright(image, facts.orientation);
}

TensorU8 read_image(const std::string& path, std::int64_t channels) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw Error(path, "is a directory", kImageRemedy);
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, error);
  if (!error && size_bytes > kMaxFile_bytes) refuse_large_file(path);
  return decode_image(read_file(path, kImageRemedy), path, channels);
}

}  // namespace intandem
