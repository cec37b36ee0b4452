// The im2col matrix of an image batch, packed panel by panel and never stored.
#pragma once

#include <cstdint>

#include "core/gemm_driver.hpp"

namespace intandem {

/// Windows of R×S taps sliding over images [N][H][W][C]. Element (m, t) of the matrix, with pixel
/// m = (n·P + p)·Q + q and tap t = (r·S + s)·C + c, is
///   image[n][p·stride + origin_h + r][q·stride + origin_w + s][c], or 0 outside the image.
struct WindowGrid {
  const float* image = nullptr;
  std::int64_t H = 0, W = 0, C = 0;
  std::int64_t R = 0, S = 0;
  std::int64_t P = 0, Q = 0;
  std::int64_t stride = 1;
  std::int64_t origin_h = 0, origin_w = 0;

  std::int64_t taps() const { return R * S * C; }
};

/// Left operand: one line per pixel, reduced over taps (forward, data gradient).
class WindowRows final : public PanelSource {
 public:
  explicit WindowRows(const WindowGrid& grid) : grid_(grid) {}
  void pack(const GemmKernels& kernels, float* panel, std::int64_t first, int count,
            std::int64_t k0, std::int64_t depth) const override;
  bool by_rows() const override { return true; }

 private:
  WindowGrid grid_;
};

/// Right operand: one column per tap, reduced over pixels (weight gradient).
class WindowColumns final : public PanelSource {
 public:
  explicit WindowColumns(const WindowGrid& grid) : grid_(grid) {}
  void pack(const GemmKernels& kernels, float* panel, std::int64_t first, int count,
            std::int64_t k0, std::int64_t depth) const override;

 private:
  WindowGrid grid_;
};

}  // namespace intandem
