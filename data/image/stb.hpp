// stb_image, the decoder behind data/image_file.hpp.
#pragma once

#include "data/image/bytes.hpp"
#include "data/image/pixels.hpp"

namespace intandem {

/// Decodes a file that has passed its check (data/image/checks.hpp) to u8 [H][W][channels];
/// channels 1 (luma of colour images), 3, or 4 (with alpha). Error if it is damaged all the same.
Pixels decode_with_stb(const ImageBytes& file, int channels);

/// The luma that stb_image computes, of a colour with 8 bits a channel.
inline std::uint8_t stb_luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 77 + rgb[1] * 150 + rgb[2] * 29) >> 8);
}

}  // namespace intandem
