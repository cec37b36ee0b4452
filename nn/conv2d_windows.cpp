#include "nn/conv2d_windows.hpp"

#include <algorithm>
#include <cstring>

namespace intandem {
namespace {

using std::int64_t;

void zero_block(float* dst, int64_t dst_stride, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < width; ++j) dst[i * dst_stride + j] = 0.0f;
  }
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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

// Taps [lo, hi) of one window row for the pixels q … q + run − 1 of one output row. `line` is the
// image line the window row lies on. A window row is contiguous in the line, starting at
// (pixel·stride + origin_w)·C, so pixels whose interval is inside the line are one block copy.
void pack_window_row(const WindowGrid& grid, const GemmKernels& kernels, float* dst,
                     const float* line, int64_t q, int64_t run, int64_t lo, int64_t hi) {
  const int64_t line_size = grid.W * grid.C, step = grid.stride * grid.C;
  const int64_t start = (q * grid.stride + grid.origin_w) * grid.C;
  const auto clipped = [&](int64_t j) {
    const int64_t begin = start + j * step;
    const int64_t a = std::clamp(-begin, lo, hi), b = std::clamp(line_size - begin, a, hi);
    float* out = dst + j * kMaxDepth;
    std::fill(out, out + (a - lo), 0.0f);
    if (a < b) kernels.copy_block(out + (a - lo), 0, line + begin + a, 0, 1, b - a);
    std::fill(out + (b - lo), out + (hi - lo), 0.0f);
  };
  int64_t j = 0;
  while (j < run && start + j * step + lo < 0) clipped(j++);
  const int64_t room = line_size - hi - start - j * step;
  const int64_t inside = room < 0 ? 0 : std::min(run - j, room / step + 1);
  if (inside > 0) {
    kernels.copy_block(dst + j * kMaxDepth, kMaxDepth, line + start + j * step + lo, step, inside,
                       hi - lo);
    j += inside;
  }
  while (j < run) clipped(j++);
}

// Channels [c, c + width) of tap (r, s) for the pixels k0 … k0 + depth − 1, `nr` floats apart.
void pack_tap(const WindowGrid& grid, const GemmKernels& kernels, float* dst, int64_t r, int64_t s,
              int64_t c, int64_t width, int64_t k0, int64_t depth) {
  // Output columns whose tap lies inside the line: q_first ≤ q < q_last.
  const int64_t shift = grid.origin_w + s;
  const int64_t q_first = shift >= 0 ? 0 : ceil_div(-shift, grid.stride);
  const int64_t q_last = grid.W > shift ? ceil_div(grid.W - shift, grid.stride) : 0;
  Pixel pixel(grid, k0);
  while (depth > 0) {
    const int64_t run = std::min(depth, grid.Q - pixel.q), end = pixel.q + run;
    const int64_t h = pixel.p * grid.stride + grid.origin_h + r;
    int64_t a = end, b = end;
    if (h >= 0 && h < grid.H) {
      a = std::clamp(q_first, pixel.q, end);
      b = std::clamp(q_last, a, end);
    }
    float* out = dst - pixel.q * kernels.nr;
    zero_block(out + pixel.q * kernels.nr, kernels.nr, a - pixel.q, width);
    if (a < b) {
      const float* src =
          grid.image + ((pixel.n * grid.H + h) * grid.W + a * grid.stride + shift) * grid.C + c;
      kernels.copy_block(out + a * kernels.nr, kernels.nr, src, grid.stride * grid.C, b - a, width);
    }
    zero_block(out + b * kernels.nr, kernels.nr, end - b, width);
    dst += run * kernels.nr;
    depth -= run;
    pixel.next_row(grid);
  }
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
      const int64_t h = pixel.p * grid_.stride + grid_.origin_h + r;
      float* dst = panel + i * kMaxDepth + (lo - k0);
      if (h < 0 || h >= grid_.H) {
        zero_block(dst, kMaxDepth, run, hi - lo);
      } else {
        const float* line = grid_.image + (pixel.n * grid_.H + h) * grid_.W * grid_.C;
        pack_window_row(grid_, kernels, dst, line, pixel.q, run, lo - r * row_taps,
                        hi - r * row_taps);
      }
    }
    i += run;
    pixel.next_row(grid_);
  }
}

void WindowColumns::pack(const GemmKernels& kernels, float* panel, int64_t first, int count,
                         int64_t k0, int64_t depth) const {
  for (int64_t j = 0; j < count;) {
    const int64_t tap = (first + j) / grid_.C, c = (first + j) % grid_.C;
    const int64_t width = std::min<int64_t>(count - j, grid_.C - c);
    pack_tap(grid_, kernels, panel + j, tap / grid_.S, tap % grid_.S, c, width, k0, depth);
    j += width;
  }
  if (count < kernels.nr) zero_block(panel + count, kernels.nr, depth, kernels.nr - count);
}

}  // namespace intandem
