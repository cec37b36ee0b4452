// Where the tiles of a Winograd convolution lie in images [N][H][W][C].
#pragma once

#include <algorithm>
#include <cstdint>

#include "nn/conv/winograd/kernels.hpp"

namespace intandem {

/// Tiles of 4×4 outputs of images [N][P][Q], row by row, image by image.
struct WinogradTiles {
  std::int64_t N, P, Q;
  std::int64_t across() const { return (Q + kWinogradOutputs - 1) / kWinogradOutputs; }
  std::int64_t down() const { return (P + kWinogradOutputs - 1) / kWinogradOutputs; }
  std::int64_t count() const { return N * down() * across(); }
};

/// First output of a tile, and how many of its outputs are inside the image.
struct WinogradTile {
  WinogradTile(const WinogradTiles& tiles, std::int64_t index)
      : n(index / (tiles.down() * tiles.across())),
        p(index / tiles.across() % tiles.down() * kWinogradOutputs),
        q(index % tiles.across() * kWinogradOutputs),
        rows(static_cast<int>(std::min<std::int64_t>(kWinogradOutputs, tiles.P - p))),
        columns(static_cast<int>(std::min<std::int64_t>(kWinogradOutputs, tiles.Q - q))) {}
  std::int64_t n, p, q;
  int rows, columns;
};

/// pixel[y·size + x] = pixel (h + y, w + x) of image [H][W][C], or `zeros` outside of it.
inline void winograd_pixels(const float* image, std::int64_t H, std::int64_t W, std::int64_t C,
                            std::int64_t h, std::int64_t w, int size, const float* zeros,
                            const float** pixel) {
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const bool inside = h + y >= 0 && h + y < H && w + x >= 0 && w + x < W;
      *pixel++ = inside ? image + ((h + y) * W + w + x) * C : zeros;
    }
  }
}

}  // namespace intandem
