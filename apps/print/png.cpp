#include "apps/print/png.hpp"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

#include "core/error.hpp"

namespace intandem {

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      const unsigned byte = i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u;
      group = group << 8 | byte;
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

std::string encode_png(const TensorU8& image) {
  INTANDEM_CHECK(image.rank() == 3 && (image.dim(2) == 1 || image.dim(2) == 3),
                 "a PNG is made of [H][W][1 or 3], not " + image.shape().str());
  std::string bytes;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                               static_cast<std::size_t>(size));
  };
  const auto height = static_cast<int>(image.dim(0));
  const auto width = static_cast<int>(image.dim(1));
  const auto channels = static_cast<int>(image.dim(2));
  const int ok = stbi_write_png_to_func(append, &bytes, width, height, channels, image.data(),
                                        width * channels);
  INTANDEM_CHECK(ok != 0, "the PNG encoder failed");
  return bytes;
}

}  // namespace intandem
