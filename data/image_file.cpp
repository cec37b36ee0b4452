#include "data/image_file.hpp"

#include <filesystem>
#include <memory>

#include "core/error.hpp"
#include "core/file.hpp"

// The only file that holds stb_image's code; its warnings are not ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace intandem {
namespace {

constexpr std::uintmax_t kMaxFile_bytes = std::uintmax_t{1} << 28;
constexpr const char* kRemedy = "give a PNG or JPEG file that an image viewer can open";

int byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

// stb_image decodes a truncated JPEG to grey without complaint, so the segments are walked here:
// true if the end-of-image marker is reached (ITU-T T.81, annex B).
bool jpeg_is_complete(std::string_view bytes) {
  bool in_scan = false;
  for (std::size_t i = 2; i + 1 < bytes.size();) {
    if (byte_at(bytes, i) != 0xFF) {
      if (!in_scan) return false;
      ++i;
      continue;
    }
    const int marker = byte_at(bytes, i + 1);
    if (marker == 0xD9) return true;
    if (marker == 0xFF) {  // fill byte
      ++i;
    } else if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      i += 2;  // stuffed 0xFF, restart and other markers without a body
    } else {
      if (i + 3 >= bytes.size()) return false;
      i += 2 + static_cast<std::size_t>(byte_at(bytes, i + 2) << 8 | byte_at(bytes, i + 3));
      in_scan = marker == 0xDA;
    }
  }
  return false;
}

struct FreeStb {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

}  // namespace

TensorU8 decode_image(std::string_view bytes, const std::string& source, std::int64_t channels) {
  INTANDEM_CHECK(channels == 1 || channels == 3, "images have 1 or 3 channels");
  const bool jpeg = bytes.substr(0, 2) == "\xFF\xD8";
  if (!jpeg && bytes.substr(0, 4) != "\x89PNG") {
    throw Error(source, "is neither PNG nor JPEG", kRemedy);
  }
  if (bytes.size() > kMaxFile_bytes) throw Error(source, "is larger than 256 MiB", kRemedy);
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const auto size_bytes = static_cast<int>(bytes.size());
  int W = 0, H = 0, stored = 0;
  if (stbi_info_from_memory(data, size_bytes, &W, &H, &stored) == 0) {
    throw Error(source, std::string("damaged image header (") + stbi_failure_reason() + ")",
                kRemedy);
  }
  if (W > kMaxImageSide || H > kMaxImageSide || std::int64_t{W} * H > kMaxImagePixels) {
    throw Error(source, std::to_string(W) + "x" + std::to_string(H) + " pixels are too many",
                "give an image of at most 16384 pixels a side and 64 million in all");
  }
  if (jpeg && !jpeg_is_complete(bytes)) throw Error(source, "truncated JPEG data", kRemedy);
  const std::unique_ptr<stbi_uc, FreeStb> pixels(
      stbi_load_from_memory(data, size_bytes, &W, &H, &stored, static_cast<int>(channels)));
  if (!pixels) {
    throw Error(source, std::string("damaged image data (") + stbi_failure_reason() + ")", kRemedy);
  }
  TensorU8 image({H, W, channels});
  std::copy_n(pixels.get(), image.size(), image.data());
  return image;
}

TensorU8 read_image(const std::string& path, std::int64_t channels) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) throw Error(path, "is a directory", kRemedy);
  const std::uintmax_t size_bytes = std::filesystem::file_size(path, error);
  if (!error && size_bytes > kMaxFile_bytes) throw Error(path, "is larger than 256 MiB", kRemedy);
  return decode_image(read_file(path, kRemedy), path, channels);
}

}  // namespace intandem
