#include "nn/conv/conv2d.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/parallel.hpp"
#include "nn/conv/grouped.hpp"
#include "nn/conv/rows/rows.hpp"
#include "nn/conv/stem/stem.hpp"
#include "nn/conv/windows.hpp"

namespace intandem {
namespace {

using std::int64_t;
using Role = StridedMatrix::Role;

// One tap per output pixel, and that is the pixel itself: the image is its own im2col matrix.
bool is_pointwise(const ConvShape& s) {
  return s.R == 1 && s.S == 1 && s.stride == 1 && s.pad == 0;
}

WindowGrid input_windows(const ConvShape& s, const float* x) {
  WindowGrid grid;
  grid.image = x;
  grid.H = s.H;
  grid.W = s.W;
  grid.C = s.C;
  grid.R = s.R;
  grid.S = s.S;
  grid.P = s.P();
  grid.Q = s.Q();
  grid.stride = s.stride;
  grid.origin_h = grid.origin_w = -s.pad;
  return grid;
}

// The input coordinates of one axis congruent to `phase` modulo the stride. They all meet the same
// taps r = first_tap + stride·t, and coordinate phase + stride·i meets tap t at the output
// i + origin + (taps − 1 − t): a stride-1 window of `taps` outputs, its taps in reverse.
struct Phase {
  Phase(const ConvShape& s, int64_t phase_index, int64_t extent, int64_t kernel)
      : phase(phase_index),
        count((extent - phase_index + s.stride - 1) / s.stride),
        first_tap((phase_index + s.pad) % s.stride),
        taps(std::max<int64_t>(0, (kernel - first_tap + s.stride - 1) / s.stride)),
        origin((phase_index + s.pad) / s.stride - (taps - 1)) {}
  int64_t phase, count, first_tap, taps, origin;
};

// Right operand of the data gradient: column c, step (u, v, k) is the weight of output channel k at
// the reversed taps u, v of the phase.
class ReversedFilter final : public PanelSource {
 public:
  ReversedFilter(const ConvShape& s, const float* w, const Phase& rows, const Phase& columns)
      : shape_(s), w_(w), rows_(rows), columns_(columns) {}

  void pack(const GemmKernels& kernels, float* panel, int64_t first, int count, int64_t k0,
            int64_t depth) const override {
    if (count < kernels.nr) {
      std::memset(panel, 0, static_cast<std::size_t>(depth * kernels.nr) * sizeof(float));
    }
    const int64_t filter = shape_.R * shape_.S * shape_.C;
    for (int64_t p = 0; p < depth;) {
      const int64_t tap = (k0 + p) / shape_.K, k = (k0 + p) % shape_.K;
      const int64_t run = std::min(depth - p, shape_.K - k);
      const int64_t u = rows_.taps - 1 - tap / columns_.taps;
      const int64_t v = columns_.taps - 1 - tap % columns_.taps;
      const int64_t r = rows_.first_tap + shape_.stride * u;
      const int64_t s = columns_.first_tap + shape_.stride * v;
      const float* src = w_ + k * filter + (r * shape_.S + s) * shape_.C + first;
      kernels.copy_block(panel + p * kernels.nr, kernels.nr, src, filter, run, count);
      p += run;
    }
  }

 private:
  ConvShape shape_;
  const float* w_;
  Phase rows_, columns_;
};

// Pixels of dx that belong to one phase in each direction.
class PhaseRows final : public RowMap {
 public:
  PhaseRows(const ConvShape& s, float* dx, const Phase& rows, const Phase& columns)
      : shape_(s), dx_(dx), rows_(rows), columns_(columns) {}

  float* row(int64_t m) const override {
    const int64_t j = m % columns_.count, i = m / columns_.count % rows_.count;
    const int64_t n = m / columns_.count / rows_.count;
    const int64_t h = rows_.phase + shape_.stride * i, w = columns_.phase + shape_.stride * j;
    return dx_ + ((n * shape_.H + h) * shape_.W + w) * shape_.C;
  }

 private:
  ConvShape shape_;
  float* dx_;
  Phase rows_, columns_;
};

void backward_data_phase(const ConvShape& s, const float* dy, const float* w, float* dx,
                         const Phase& rows, const Phase& columns) {
  WindowGrid grid;
  grid.image = dy;
  grid.H = s.P();
  grid.W = s.Q();
  grid.C = s.K;
  grid.R = rows.taps;
  grid.S = columns.taps;
  grid.P = rows.count;
  grid.Q = columns.count;
  grid.origin_h = rows.origin;
  grid.origin_w = columns.origin;
  const ReversedFilter b(s, w, rows, columns);
  if (rows_pay(grid, s.C)) {
    float* first = dx + (rows.phase * s.W + columns.phase) * s.C;
    return convolve_by_rows({grid, s.N, s.C, &b, nullptr, first, s.H * s.W * s.C,
                             s.stride * s.W * s.C, s.stride * s.C});
  }
  const WindowRows a(grid);
  const PhaseRows map(s, dx, rows, columns);
  GemmProblem g;
  g.M = s.N * rows.count * columns.count;
  g.N = s.C;
  g.K = grid.taps();
  g.a = &a;
  g.b = &b;
  g.c = dx;
  g.ldc = s.C;
  if (s.stride > 1) g.rows = &map;
  run_gemm(g);
}

}  // namespace

void conv2d_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                    float* y) {
  shape.check();
  if (shape.groups > 1) return grouped_forward(shape, x, w, bias, y);
  if (stem_admits_forward(shape)) return stem_forward(shape, x, w, bias, y);
  const WindowGrid grid = input_windows(shape, x);
  const StridedMatrix filters(Role::b, w, shape.reduction(), false);
  if (!is_pointwise(shape) && rows_pay(grid, shape.K)) {
    const int64_t row = shape.Q() * shape.K;
    return convolve_by_rows(
        {grid, shape.N, shape.K, &filters, bias, y, shape.P() * row, row, shape.K});
  }
  const StridedMatrix pixels(Role::a, x, shape.C, false);
  const WindowRows windows(grid);
  GemmProblem g;
  g.M = shape.N * shape.P() * shape.Q();
  g.N = shape.K;
  g.K = shape.reduction();
  g.a = is_pointwise(shape) ? static_cast<const PanelSource*>(&pixels) : &windows;
  g.b = &filters;
  g.c = y;
  g.ldc = shape.K;
  g.bias = bias;
  run_gemm(g);
}

void conv2d_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx) {
  shape.check();
  if (shape.groups > 1) return grouped_backward_data(shape, dy, w, dx);
  if (is_pointwise(shape)) {
    const StridedMatrix a(Role::a, dy, shape.K, false), b(Role::b, w, shape.C, true);
    GemmProblem g;
    g.M = shape.N * shape.P() * shape.Q();
    g.N = shape.C;
    g.K = shape.K;
    g.a = &a;
    g.b = &b;
    g.c = dx;
    g.ldc = shape.C;
    return run_gemm(g);
  }
  // A phase without taps, or beyond the last window, leaves its pixels at zero.
  if (shape.R < shape.stride || shape.S < shape.stride) {
    std::memset(dx, 0,
                static_cast<std::size_t>(shape.N * shape.H * shape.W * shape.C) * sizeof(float));
  }
  for (int64_t i = 0; i < std::min(shape.stride, shape.H); ++i) {
    for (int64_t j = 0; j < std::min(shape.stride, shape.W); ++j) {
      const Phase rows(shape, i, shape.H, shape.R), columns(shape, j, shape.W, shape.S);
      if (rows.taps == 0 || columns.taps == 0) continue;
      backward_data_phase(shape, dy, w, dx, rows, columns);
    }
  }
}

// Float sums over fixed chunks of rows, added in order in double.
void conv2d_backward_bias(const ConvShape& shape, const float* dy, float* db) {
  const int64_t rows = shape.N * shape.P() * shape.Q(), K = shape.K;
  constexpr int64_t kChunk = 1024;
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  std::vector<float> partial(static_cast<std::size_t>(chunks * K), 0.0f);
  parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      float* sum = partial.data() + i * K;
      for (int64_t m = i * kChunk; m < std::min(rows, (i + 1) * kChunk); ++m) {
        for (int64_t k = 0; k < K; ++k) sum[k] += dy[m * K + k];
      }
    }
  });
  for (int64_t k = 0; k < K; ++k) {
    double sum = 0.0;
    for (int64_t i = 0; i < chunks; ++i) sum += partial[static_cast<std::size_t>(i * K + k)];
    db[k] = static_cast<float>(db[k] + sum);
  }
}

void conv2d_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw,
                             float* db) {
  shape.check();
  const int64_t pixels = shape.N * shape.P() * shape.Q();
  if (db != nullptr) conv2d_backward_bias(shape, dy, db);
  if (shape.groups > 1) return grouped_backward_weights(shape, x, dy, dw);
  if (stem_admits_backward_weights(shape)) return stem_backward_weights(shape, x, dy, dw);
  const StridedMatrix gradients(Role::a, dy, shape.K, true);
  const StridedMatrix images(Role::b, x, shape.C, true);
  const WindowColumns windows(input_windows(shape, x));
  GemmProblem g;
  g.M = shape.K;
  g.N = shape.reduction();
  g.K = pixels;
  g.a = &gradients;
  g.b = is_pointwise(shape) ? static_cast<const PanelSource*>(&images) : &windows;
  g.c = dw;
  g.ldc = shape.reduction();
  g.accumulate = true;
  g.split_reduction = true;
  run_gemm(g);
}

}  // namespace intandem
