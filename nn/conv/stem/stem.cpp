#include "nn/conv/stem/stem.hpp"

#include <algorithm>
#include <atomic>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "nn/conv/padded.hpp"

namespace intandem {
namespace {

using std::int64_t;

// Output rows done together: their slice of dy and the image lines they see stay cached.
constexpr int64_t kBandRows = 4;
// With more channels the matrix product pays for its packing.
constexpr int64_t kMostChannels = 4;
// Sums of the weight gradient run over at most this many fixed shares of the batch.
constexpr int64_t kShares = 16;
// Results this large (4 MiB) have left the second-level cache before anyone reads them. Written
// past it, their lines need not be read first.
constexpr int64_t kStreamFloats = 1 << 20;

const StemKernels& stem_kernels() {
  static constexpr KernelRow<const StemKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kStemKernels_avx512},
    {Isa::avx2, &kStemKernels_avx2},
#endif
    {Isa::ref, &kStemKernels_ref},
  };
  return *choose_kernel(kTable);
}

// Windows multiplied at a time: as equal parts of an output row as the kernels allow.
int windows_per_tile(const ConvShape& s, const StemKernels& kernels) {
  return static_cast<int>(ceil_div(s.Q(), ceil_div(s.Q(), kernels.pixels)));
}

// Bands of kBandRows output rows, one image after the other.
struct Band {
  Band(const ConvShape& s, int64_t index)
      : n(index / per_image(s)),
        p(index % per_image(s) * kBandRows),
        rows(std::min(kBandRows, s.P() - p)) {}
  static int64_t per_image(const ConvShape& s) { return ceil_div(s.P(), kBandRows); }
  int64_t n, p, rows;
};

// The image lines the windows of a band see, copied between zeros.
class PaddedLines {
 public:
  explicit PaddedLines(const ConvShape& s)
      : line_((s.W + 2 * s.pad) * s.C), block_(((kBandRows - 1) * s.stride + s.R) * line_) {}

  StemWindows fill(const ConvShape& s, const float* x, const Band& band) {
    copy_padded_lines(x + band.n * s.H * s.W * s.C, s.H, s.W, s.C, band.p * s.stride - s.pad,
                      (band.rows - 1) * s.stride + s.R, -s.pad, s.W + 2 * s.pad, block_.data());
    return {block_.data(), line_, s.stride * s.C, s.stride * line_, s.R, s.S * s.C};
  }

 private:
  int64_t line_;
  FloatBlock block_;
};

bool is_stem(const ConvShape& s) { return s.C <= kMostChannels && s.R * s.S > 1; }

}  // namespace

bool stem_admits_forward(const ConvShape& shape) {
  const StemKernels& kernels = stem_kernels();
  return is_stem(shape) &&
         kernels.forward(shape.stride * shape.C, windows_per_tile(shape, kernels)) != nullptr;
}

bool stem_admits_backward_weights(const ConvShape& shape) { return is_stem(shape); }

void stem_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                  float* y) {
  const StemKernels& kernels = stem_kernels();
  const int count = windows_per_tile(shape, kernels);
  const StemKernels::Forward tile = kernels.forward(shape.stride * shape.C, count);
  const int64_t columns = kernels.columns, panels = ceil_div(shape.K, columns);
  const int64_t taps = shape.reduction();
  // Weights [panel][tap][columns], then the bias [panel][columns], both padded with zeros.
  const FloatBlock packed(panels * columns * (taps + 1));
  float* weights = packed.data();
  float* padded_bias = weights + panels * columns * taps;
  for (int64_t k = 0; k < panels * columns; ++k) {
    const int64_t panel = k / columns, j = k % columns;
    const bool valid = k < shape.K;
    for (int64_t t = 0; t < taps; ++t) {
      weights[(panel * taps + t) * columns + j] = valid ? w[k * taps + t] : 0.0f;
    }
    padded_bias[k] = valid && bias != nullptr ? bias[k] : 0.0f;
  }
  const bool stream = shape.K % columns == 0 && shape.K % 16 == 0 &&
                      reinterpret_cast<std::uintptr_t>(y) % kAlignment_bytes == 0 &&
                      shape.N * shape.P() * shape.Q() * shape.K >= kStreamFloats;
  parallel_for(shape.N * Band::per_image(shape), 4, [&](int64_t first, int64_t last) {
    PaddedLines lines(shape);
    for (int64_t i = first; i < last; ++i) {
      const Band band(shape, i);
      StemWindows windows = lines.fill(shape, x, band);
      const float* image = windows.image;
      for (int64_t p = 0; p < band.rows; ++p) {
        float* row = y + ((band.n * shape.P() + band.p + p) * shape.Q()) * shape.K;
        for (int64_t q = 0; q < shape.Q(); q += count) {
          // The last tile ends with the row; what it computes again comes out the same.
          const int64_t start = std::min(q, shape.Q() - count);
          windows.image = image + p * windows.row_lines + start * windows.step;
          for (int64_t panel = 0; panel < panels; ++panel) {
            const int64_t k = panel * columns;
            tile(windows, weights + k * taps, padded_bias + k, row + start * shape.K + k, shape.K,
                 static_cast<int>(std::min(columns, shape.K - k)), stream);
          }
        }
      }
    }
    if (stream) std::atomic_thread_fence(std::memory_order_seq_cst);
  });
}

void stem_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw) {
  const StemKernels& kernels = stem_kernels();
  const int64_t bands = shape.N * Band::per_image(shape);
  const int64_t share = ceil_div(bands, kShares), shares = ceil_div(bands, share);
  const int64_t taps = shape.reduction(), row_taps = shape.S * shape.C;
  // A window row in equal parts of at most kernels.taps.
  const int64_t part = ceil_div(row_taps, ceil_div(row_taps, kernels.taps));
  const FloatBlock partial(shares * taps * shape.K);  // [share][tap][K]
  parallel_for(shares, 1, [&](int64_t first, int64_t last) {
    PaddedLines lines(shape);
    for (int64_t i = first; i < last; ++i) {
      float* sums = partial.data() + i * taps * shape.K;
      std::fill(sums, sums + taps * shape.K, 0.0f);
      for (int64_t j = i * share; j < std::min(bands, (i + 1) * share); ++j) {
        const Band band(shape, j);
        StemWindows windows = lines.fill(shape, x, band);
        const float* image = windows.image;
        const float* rows = dy + ((band.n * shape.P() + band.p) * shape.Q()) * shape.K;
        for (int64_t k = 0; k < shape.K; k += kernels.columns) {
          const int nr = static_cast<int>(std::min<int64_t>(kernels.columns, shape.K - k));
          for (int64_t t = 0; t < taps;) {
            const int64_t r = t / row_taps, column = t % row_taps;
            windows.image = image + r * windows.line + column;
            const int count = static_cast<int>(std::min(part, row_taps - column));
            kernels.backward_weights(windows, band.rows, shape.Q(), count, rows + k, shape.K,
                                     sums + t * shape.K + k, shape.K, nr);
            t += count;
          }
        }
      }
    }
  });
  for (int64_t t = 0; t < taps; ++t) {
    float* sums = partial.data() + t * shape.K;
    for (int64_t i = 1; i < shares; ++i) {
      const float* more = sums + i * taps * shape.K;
      for (int64_t k = 0; k < shape.K; ++k) sums[k] += more[k];
    }
    for (int64_t k = 0; k < shape.K; ++k) dw[k * taps + t] += sums[k];
  }
}

}  // namespace intandem
