// Driver of the convolution by rows. Weights are packed once, in panels of the kernel's channels.
// A task is a band of output rows of some images: their input is copied once with its padding, so
// that all windows lie inside (a window row then is one stretch of S·C floats), and panel after
// panel passes over it while it stays in the second-level cache.
#include "nn/conv/rows/rows.hpp"

#include <algorithm>

#include "core/blocking.hpp"
#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "nn/conv/padded.hpp"
#include "nn/conv/rows/kernels.hpp"

namespace intandem {
namespace {

using std::int64_t;

// Of the second-level cache, for the copied input of a task: a panel of weights, 192 channels and 9
// taps at most in common networks (216 KiB), and the results pass through the rest.
constexpr int64_t kBandQuarters = 1;
// Beyond these, many channels pay for packing, or a panel of weights leaves the cache.
constexpr int64_t kMaxChannels = 192;
constexpr int64_t kMaxTaps = 4096;
constexpr int64_t kFewWeights = 5 * 1024;  // floats: 20 KiB

/// Neighbouring pixels of one output row: where their windows start, where their results go.
struct Run {
  const float* window;
  float* c;
  int pixels;
};

class RowJob {
 public:
  explicit RowJob(const RowConvolution& problem)
      : g_(problem),
        grid_(problem.grid),
        kernels_(row_kernels()),
        panels_(ceil_div(g_.channels, kernels_.nr)),
        columns_((grid_.Q - 1) * grid_.stride + grid_.S),
        line_(columns_ * grid_.C),
        // Runs of half a tile at most, all of one length or one shorter.
        runs_(ceil_div(grid_.Q, kernels_.max_pixels / 2)),
        weights_(panels_ * panel_floats()) {
    const int64_t band_floats = second_level_floats(kBandQuarters);
    const int64_t row_floats = grid_.stride * line_;
    band_rows_ = std::clamp<int64_t>(band_floats / row_floats, 1, grid_.P);
    bands_ = ceil_div(grid_.P, band_rows_);
    band_rows_ = ceil_div(grid_.P, bands_);
    images_ = bands_ > 1 ? 1 : std::max<int64_t>(1, band_floats / input_floats());
    images_ = std::min(images_, std::max<int64_t>(1, g_.N / (4 * thread_count())));
  }

  void run() {
    pack_weights();
    const int64_t groups = ceil_div(g_.N, images_);
    parallel_for(groups * bands_, 1, [&](int64_t first, int64_t last) {
      const FloatBlock copy(images_ * input_floats());
      for (int64_t task = first; task < last; ++task) {
        const int64_t n = task / bands_ * images_, p = task % bands_ * band_rows_;
        run_band(n, std::min(g_.N, n + images_), p, std::min(grid_.P, p + band_rows_), copy.data());
      }
    });
  }

 private:
  int64_t input_rows(int64_t output_rows) const {
    return (output_rows - 1) * grid_.stride + grid_.R;
  }
  int64_t panel_floats() const { return grid_.taps() * kernels_.nr; }
  int64_t input_floats() const { return input_rows(band_rows_) * line_; }

  void pack_weights() {
    INTANDEM_CHECK(gemm_kernels().nr == kernels_.nr, "panels of weights differ in width");
    const int64_t taps = grid_.taps(), nr = kernels_.nr;
    const int64_t blocks = ceil_div(taps, kMaxDepth);
    parallel_for(panels_ * blocks, 4, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t panel = i / blocks, k0 = i % blocks * kMaxDepth;
        const int count = static_cast<int>(std::min(nr, g_.channels - panel * nr));
        g_.b->pack(gemm_kernels(), weights_.data() + (panel * taps + k0) * nr, panel * nr, count,
                   k0, std::min<int64_t>(kMaxDepth, taps - k0));
      }
    });
  }

  /// The input of output rows [p, p_end) of image n, with its padding: [row][column][C].
  void copy_input(int64_t n, int64_t p, int64_t p_end, float* to) const {
    copy_padded_lines(grid_.image + n * grid_.H * grid_.W * grid_.C, grid_.H, grid_.W, grid_.C,
                      p * grid_.stride + grid_.origin_h, input_rows(p_end - p), grid_.origin_w,
                      columns_, to);
  }

  void run_band(int64_t n0, int64_t n1, int64_t p0, int64_t p1, float* copy) const {
    for (int64_t n = n0; n < n1; ++n) copy_input(n, p0, p1, copy + (n - n0) * input_floats());
    // Few weights stay in the first-level cache; then every result row is written once.
    const int64_t together = panels_ * panel_floats() <= kFewWeights ? panels_ : 1;
    for (int64_t panel = 0; panel < panels_; panel += together) {
      const auto each_panel = [&](const Run& a, const Run& b) {
        for (int64_t i = panel; i < panel + together; ++i) multiply(a, b, i);
      };
      Run waiting = {};
      for (int64_t n = n0; n < n1; ++n) {
        for (int64_t p = p0; p < p1; ++p) {
          for (int64_t i = 0; i < runs_; ++i) {
            const int64_t q = grid_.Q * i / runs_, end = grid_.Q * (i + 1) / runs_;
            const Run run = {
                copy + (n - n0) * input_floats() + ((p - p0) * line_ + q * grid_.C) * grid_.stride,
                g_.c + n * g_.image_step + p * g_.row_step + q * g_.pixel_step,
                static_cast<int>(end - q)};
            if (waiting.pixels == 0) {
              waiting = run;
            } else {
              each_panel(waiting, run);
              waiting = {};
            }
          }
        }
      }
      if (waiting.pixels > 0) {
        const int lower = (waiting.pixels + 1) / 2;
        each_panel({waiting.window, waiting.c, lower},
                   {waiting.window + lower * grid_.stride * grid_.C,
                    waiting.c + lower * g_.pixel_step, waiting.pixels - lower});
      }
    }
  }

  void multiply(const Run& a, const Run& b, int64_t panel) const {
    const bool in_order = a.pixels >= b.pixels;  // the kernel wants the longer run first
    const Run &low = in_order ? a : b, &high = in_order ? b : a;
    const int64_t first = panel * kernels_.nr;
    const int channels = static_cast<int>(std::min<int64_t>(kernels_.nr, g_.channels - first));
    RowTile tile;
    tile.low = low.window;
    tile.high = high.window;
    tile.pixel_stride = grid_.stride * grid_.C;
    tile.rows = grid_.R;
    tile.length = grid_.S * grid_.C;
    tile.row_stride = line_;
    tile.b = weights_.data() + first * grid_.taps();
    tile.c_low = low.c + first;
    tile.c_high = high.c + first;
    tile.ldc = g_.pixel_step;
    kernels_.tile(tile, low.pixels + high.pixels, channels);
    if (g_.bias != nullptr) {
      add_bias(low, first, channels);
      add_bias(high, first, channels);
    }
  }

  void add_bias(const Run& run, int64_t first, int channels) const {
    for (int i = 0; i < run.pixels; ++i) {
      float* c = run.c + i * g_.pixel_step + first;
      for (int k = 0; k < channels; ++k) c[k] += g_.bias[first + k];
    }
  }

  const RowConvolution& g_;
  const WindowGrid& grid_;
  const RowKernels& kernels_;
  int64_t panels_, columns_, line_, runs_;
  int64_t band_rows_ = 0, bands_ = 0, images_ = 0;
  FloatBlock weights_;
};

}  // namespace

const RowKernels& row_kernels() {
  static constexpr KernelRow<const RowKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kRowKernels_avx512},
    {Isa::avx2, &kRowKernels_avx2},
#endif
    {Isa::ref, &kRowKernels_ref},
  };
  return *choose_kernel(kTable);
}

bool rows_pay(const WindowGrid& grid, std::int64_t channels) {
  return channels <= kMaxChannels && grid.taps() <= kMaxTaps;
}

void convolve_by_rows(const RowConvolution& problem) {
  if (problem.N > 0) RowJob(problem).run();
}

}  // namespace intandem
