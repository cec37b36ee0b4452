// Images inside HTML and JSON.
#pragma once

#include <string>
#include <string_view>

#include "core/tensor.hpp"

namespace intandem {

/// RFC 4648 base64 with padding.
std::string base64(std::string_view bytes);

/// u8 [H][W][C], C = 1 or 3, as the bytes of a PNG file.
std::string encode_png(const TensorU8& image);

}  // namespace intandem
