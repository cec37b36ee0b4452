#include "tests/data/image_writers.hpp"

#include <zlib.h>

#include <algorithm>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace intandem::data_test {
namespace {

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<char*>(data),
                                             static_cast<std::size_t>(size));
}

int extent(const TensorU8& image, int axis) { return static_cast<int>(image.dim(axis)); }

std::string number(std::uint32_t value, int size_bytes, bool little_endian) {
  std::string bytes;
  for (int i = 0; i < size_bytes; ++i) {
    const int byte = little_endian ? i : size_bytes - 1 - i;
    bytes += static_cast<char>(value >> (8 * byte) & 255);
  }
  return bytes;
}

}  // namespace

TensorU8 gradient(std::int64_t H, std::int64_t W, std::int64_t C, int start) {
  TensorU8 image({H, W, C});
  for (std::int64_t i = 0; i < image.size(); ++i) {
    image[i] =
        static_cast<std::uint8_t>((start + 3 * (i / C % W) + 5 * (i / C / W) + 40 * (i % C)) & 255);
  }
  return image;
}

std::string png(const TensorU8& image) {
  std::string bytes;
  const int W = extent(image, 1), C = extent(image, 2);
  stbi_write_png_to_func(append, &bytes, W, extent(image, 0), C, image.data(), W * C);
  return bytes;
}

std::string jpeg(const TensorU8& image) {
  std::string bytes;
  stbi_write_jpg_to_func(append, &bytes, extent(image, 1), extent(image, 0), extent(image, 2),
                         image.data(), 95);
  return bytes;
}

std::string bmp(const TensorU8& image) {
  std::string bytes;
  stbi_write_bmp_to_func(append, &bytes, extent(image, 1), extent(image, 0), extent(image, 2),
                         image.data());
  return bytes;
}

std::string gif(const TensorU8& entries, int transparent) {
  const auto W = static_cast<std::uint32_t>(entries.dim(1));
  const auto H = static_cast<std::uint32_t>(entries.dim(0));
  const std::string size = number(W, 2, true) + number(H, 2, true);
  std::string bytes = "GIF89a" + size + std::string("\x81\0\0", 3);
  for (int entry = 0; entry < 4; ++entry) {
    for (int c = 0; c < 3; ++c) bytes += static_cast<char>(gif_colour(entry, c));
  }
  if (transparent >= 0) {
    bytes += std::string("\x21\xF9\x04\x01\0\0", 6) + static_cast<char>(transparent) + '\0';
  }
  bytes += std::string("\x2C\0\0\0\0", 5) + size + '\0' + '\x02';
  // Codes of 3 bits: a clear code (4) before every second entry keeps them so; 5 ends.
  std::string codes;
  std::uint32_t pending = 0;
  int count = 0;
  const auto put = [&](std::uint32_t code) {
    pending |= code << count;
    for (count += 3; count >= 8; count -= 8, pending >>= 8) {
      codes += static_cast<char>(pending & 255);
    }
  };
  for (std::int64_t i = 0; i < entries.size(); ++i) {
    if (i % 2 == 0) put(4);
    put(entries[i]);
  }
  put(5);
  if (count > 0) codes += static_cast<char>(pending);
  for (std::size_t at = 0; at < codes.size(); at += 255) {
    const std::string block = codes.substr(at, 255);
    bytes += static_cast<char>(block.size()) + block;
  }
  return bytes + '\0' + '\x3B';
}

bool same(const TensorU8& a, const TensorU8& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

std::string png_chunk(const std::string& type, const std::string& body) {
  const std::string inner = type + body;
  const auto crc = crc32_z(0, reinterpret_cast<const unsigned char*>(inner.data()), inner.size());
  return number(static_cast<std::uint32_t>(body.size()), 4, false) + inner +
         number(static_cast<std::uint32_t>(crc), 4, false);
}

std::string with_orientation(const std::string& file, int orientation, bool little_endian) {
  const auto n = [&](std::uint32_t value, int size_bytes) {
    return number(value, size_bytes, little_endian);
  };
  // A TIFF header and a directory of one entry: tag, type SHORT, one value, padding; no next one.
  const std::string tiff = (little_endian ? "II" : "MM") + n(42, 2) + n(8, 4) + n(1, 2) +
                           n(0x0112, 2) + n(3, 2) + n(1, 4) +
                           n(static_cast<std::uint32_t>(orientation), 2) + n(0, 2) + n(0, 4);
  if (file[0] == '\x89') {
    const std::size_t after_header = 8 + 25;
    return file.substr(0, after_header) + png_chunk("eXIf", tiff) + file.substr(after_header);
  }
  const std::string body = std::string("Exif\0\0", 6) + tiff;
  return file.substr(0, 2) + "\xFF\xE1" +
         number(static_cast<std::uint32_t>(body.size() + 2), 2, false) + body + file.substr(2);
}

}  // namespace intandem::data_test
