#include "nn/conv/windows.hpp"

#include <algorithm>

namespace intandem {
namespace {

using std::int64_t;

void zero_block(float* dst, int64_t dst_stride, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < width; ++j) dst[i * dst_stride + j] = 0.0f;
  }
}

// A pixel index taken apart, and the length of the run to the end of its output row.
struct Pixel {
  Pixel(const WindowGrid& grid, int64_t index)
      : q(index % grid.Q), p(index / grid.Q % grid.P), n(index / grid.Q / grid.P) {}
  // The first pixel of the next output row.
  void next_row(const WindowGrid& grid) {
    q = 0;
    if (++p == grid.P) {
      p = 0;
      ++n;
    }
  }
  int64_t q, p, n;
};

// Taps [lo, hi) of window row r for the pixels q … q + run − 1 of one output row, dst_stride apart.
// A window row is contiguous in its image line, starting at (pixel·stride + origin_w)·C, so pixels
// whose interval is inside the line are one block copy.
void pack_window_row(const WindowGrid& grid, const GemmKernels& kernels, float* dst,
                     int64_t dst_stride, const Pixel& pixel, int64_t run, int64_t r, int64_t lo,
                     int64_t hi) {
  const int64_t h = pixel.p * grid.stride + grid.origin_h + r;
  if (h < 0 || h >= grid.H) return zero_block(dst, dst_stride, run, hi - lo);
  const int64_t line_size = grid.W * grid.C, step = grid.stride * grid.C;
  const float* line = grid.image + (pixel.n * grid.H + h) * line_size;
  const int64_t start = (pixel.q * grid.stride + grid.origin_w) * grid.C;
  const auto clipped = [&](int64_t j) {
    const int64_t begin = start + j * step;
    const int64_t a = std::clamp(-begin, lo, hi), b = std::clamp(line_size - begin, a, hi);
    float* out = dst + j * dst_stride;
    std::fill(out, out + (a - lo), 0.0f);
    if (a < b) kernels.copy_block(out + (a - lo), 0, line + begin + a, 0, 1, b - a);
    std::fill(out + (b - lo), out + (hi - lo), 0.0f);
  };
  int64_t j = 0;
  while (j < run && start + j * step + lo < 0) clipped(j++);
  const int64_t room = line_size - hi - start - j * step;
  const int64_t inside = room < 0 ? 0 : std::min(run - j, room / step + 1);
  if (inside > 0) {
    kernels.copy_block(dst + j * dst_stride, dst_stride, line + start + j * step + lo, step, inside,
                       hi - lo);
    j += inside;
  }
  while (j < run) clipped(j++);
}

}  // namespace

void WindowRows::pack(const GemmKernels& kernels, float* panel, int64_t first, int count,
                      int64_t k0, int64_t depth) const {
  const int64_t row_taps = grid_.S * grid_.C;
  Pixel pixel(grid_, first);
  for (int64_t i = 0; i < count;) {
    const int64_t run = std::min<int64_t>(count - i, grid_.Q - pixel.q);
    for (int64_t r = k0 / row_taps; r * row_taps < k0 + depth; ++r) {
      const int64_t lo = std::max(k0, r * row_taps), hi = std::min(k0 + depth, (r + 1) * row_taps);
      pack_window_row(grid_, kernels, panel + i * kRowPanelStride + (lo - k0), kRowPanelStride,
                      pixel, run, r, lo - r * row_taps, hi - r * row_taps);
    }
    i += run;
    pixel.next_row(grid_);
  }
}

void WindowColumns::pack(const GemmKernels& kernels, float* panel, int64_t first, int count,
                         int64_t k0, int64_t depth) const {
  const int64_t row_taps = grid_.S * grid_.C;
  for (int64_t j = 0; j < count;) {
    const int64_t r = (first + j) / row_taps, lo = (first + j) % row_taps;
    const int64_t width = std::min<int64_t>(count - j, row_taps - lo);
    Pixel pixel(grid_, k0);
    for (int64_t i = 0; i < depth;) {
      const int64_t run = std::min(depth - i, grid_.Q - pixel.q);
      pack_window_row(grid_, kernels, panel + i * kernels.nr + j, kernels.nr, pixel, run, r, lo,
                      lo + width);
      i += run;
      pixel.next_row(grid_);
    }
    j += width;
  }
  if (count < kernels.nr) zero_block(panel + count, kernels.nr, depth, kernels.nr - count);
}

}  // namespace intandem
