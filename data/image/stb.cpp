#include "data/image/stb.hpp"

// The only file that holds stb_image's code; its warnings are not ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#include <stb_image.h>
#pragma GCC diagnostic pop
#if !defined(__clang__)
// Where the code is inlined below: g++ does not see that a file in memory needs no callbacks.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace intandem {

Pixels decode_with_stb(const ImageBytes& file, int channels) {
  int W = 0, H = 0, stored = 0;
  Pixels image;
  // Our memory from here on: stb_image allocates with malloc.
  image.data.reset(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &W, &H, &stored, channels));
  if (!image.data) file.damaged(stbi_failure_reason());
  image.H = H;
  image.W = W;
  image.C = channels;
  return image;
}

}  // namespace intandem
