// A decoded image of any size, before it is cut to a network's input.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/error.hpp"

namespace intandem {

/// u8 [H][W][C] in memory of its own. Not a tensor: freed tensors are kept for the next one of the
/// same size, and photos come in a thousand sizes.
struct Pixels {
  struct Free {
    void operator()(std::uint8_t* memory) const { std::free(memory); }
  };

  std::int64_t H = 0, W = 0, C = 0;
  std::unique_ptr<std::uint8_t[], Free> data;

  Pixels() = default;
  Pixels(std::int64_t height, std::int64_t width, std::int64_t channels)
      : H(height),
        W(width),
        C(channels),
        data(static_cast<std::uint8_t*>(std::malloc(static_cast<std::size_t>(size())))) {
    if (data) return;
    throw Error("memory", "cannot allocate " + std::to_string(size()) + " bytes",
                "use a machine with more memory");
  }

  std::int64_t size() const { return H * W * C; }
};

}  // namespace intandem
