// Depthwise convolution: every output is a sum over the taps of its own channel, so whole pixels
// are multiplied channel by channel and nothing is gathered.
#include <algorithm>
#include <vector>

#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/parallel.hpp"
#include "core/tensor.hpp"
#include "nn/conv/depthwise/kernels.hpp"
#include "nn/conv/grouped.hpp"

namespace intandem {
namespace {

using std::int64_t;

constexpr int64_t kChunks = 64;  // of the weight gradient: parts summed on their own

/// w [C][R·S] → [R·S][C].
TensorF transposed(const ConvShape& s, const float* w) {
  const int64_t taps = s.R * s.S;
  TensorF t({taps, s.C});
  for (int64_t c = 0; c < s.C; ++c) {
    for (int64_t i = 0; i < taps; ++i) t[i * s.C + c] = w[c * taps + i];
  }
  return t;
}

/// Taps of one axis whose coordinate at·stride + tap − pad lies in [0, extent).
struct TapRange {
  TapRange(int64_t at, int64_t stride, int64_t pad, int64_t extent, int64_t kernel)
      : origin(at * stride - pad),
        first(std::max<int64_t>(0, -origin)),
        last(std::min(kernel, extent - origin)) {}
  int64_t origin, first, last;
};

}  // namespace

const DepthwiseKernels& depthwise_kernels() {
  static constexpr KernelRow<const DepthwiseKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kDepthwiseKernels_avx512},
    {Isa::avx2, &kDepthwiseKernels_avx2},
#endif
    {Isa::ref, &kDepthwiseKernels_ref},
  };
  return *choose_kernel(kTable);
}

void depthwise_forward(const ConvShape& s, const float* x, const float* w, const float* bias,
                       float* y) {
  const TensorF weights = transposed(s, w);
  const DepthwiseKernels& kernels = depthwise_kernels();
  const int64_t P = s.P(), Q = s.Q();
  parallel_for(s.N * P, 1, [&](int64_t begin, int64_t end) {
    std::vector<DepthwiseTap> taps(static_cast<std::size_t>(s.R * s.S));
    for (int64_t np = begin; np < end; ++np) {
      const TapRange rows(np % P, s.stride, s.pad, s.H, s.R);
      const float* image = x + np / P * s.H * s.W * s.C;
      for (int64_t q = 0; q < Q; ++q) {
        const TapRange columns(q, s.stride, s.pad, s.W, s.S);
        std::size_t count = 0;
        for (int64_t r = rows.first; r < rows.last; ++r) {
          const float* row = image + (rows.origin + r) * s.W * s.C;
          for (int64_t t = columns.first; t < columns.last; ++t) {
            taps[count++] = {row + (columns.origin + t) * s.C,
                             weights.data() + (r * s.S + t) * s.C};
          }
        }
        kernels.sum_taps(taps.data(), static_cast<int64_t>(count), bias, s.C,
                         y + (np * Q + q) * s.C);
      }
    }
  });
}

// Input coordinate h meets tap r at output p where p·stride + r − pad = h.
void depthwise_backward_data(const ConvShape& s, const float* dy, const float* w, float* dx) {
  const TensorF weights = transposed(s, w);
  const DepthwiseKernels& kernels = depthwise_kernels();
  const int64_t P = s.P(), Q = s.Q();
  parallel_for(s.N * s.H, 1, [&](int64_t begin, int64_t end) {
    std::vector<DepthwiseTap> taps(static_cast<std::size_t>(s.R * s.S));
    for (int64_t nh = begin; nh < end; ++nh) {
      const float* image = dy + nh / s.H * P * Q * s.C;
      const int64_t row = nh % s.H + s.pad;
      for (int64_t column = s.pad; column < s.W + s.pad; ++column) {
        std::size_t count = 0;
        for (int64_t r = row % s.stride; r < s.R && r <= row; r += s.stride) {
          const int64_t p = (row - r) / s.stride;
          if (p >= P) continue;
          for (int64_t t = column % s.stride; t < s.S && t <= column; t += s.stride) {
            const int64_t q = (column - t) / s.stride;
            if (q >= Q) continue;
            taps[count++] = {image + (p * Q + q) * s.C, weights.data() + (r * s.S + t) * s.C};
          }
        }
        kernels.sum_taps(taps.data(), static_cast<int64_t>(count), nullptr, s.C,
                         dx + (nh * s.W + column - s.pad) * s.C);
      }
    }
  });
}

// Rows of outputs in fixed chunks, whose sums are added in order in double.
void depthwise_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw) {
  const DepthwiseKernels& kernels = depthwise_kernels();
  const int64_t P = s.P(), Q = s.Q(), all_rows = s.N * P, taps = s.R * s.S;
  const int64_t grain = std::max<int64_t>(1, ceil_div(all_rows, kChunks));
  TensorF partial = TensorF::zeros({ceil_div(all_rows, grain), taps, s.C});
  parallel_for(all_rows, grain, [&](int64_t begin, int64_t end) {
    float* sums = partial.data() + begin / grain * taps * s.C;
    for (int64_t np = begin; np < end; ++np) {
      const TapRange rows(np % P, s.stride, s.pad, s.H, s.R);
      for (int64_t r = rows.first; r < rows.last; ++r) {
        const float* row = x + (np / P * s.H + rows.origin + r) * s.W * s.C;
        for (int64_t t = 0; t < s.S; ++t) {
          // The outputs q whose tap t is inside: 0 ≤ q·stride + t − pad < W.
          const int64_t first = t >= s.pad ? 0 : ceil_div(s.pad - t, s.stride);
          const int64_t room = s.W - 1 + s.pad - t;
          const int64_t last = room < 0 ? 0 : std::min(Q, room / s.stride + 1);
          if (first >= last) continue;
          kernels.sum_products(last - first, row + (first * s.stride + t - s.pad) * s.C,
                               s.stride * s.C, dy + (np * Q + first) * s.C, s.C, s.C,
                               sums + (r * s.S + t) * s.C);
        }
      }
    }
  });
  parallel_for(s.C, 16, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t i = 0; i < taps; ++i) {
        double sum = 0.0;
        for (int64_t chunk = 0; chunk < partial.dim(0); ++chunk) {
          sum += static_cast<double>(partial[(chunk * taps + i) * s.C + c]);
        }
        dw[c * taps + i] = static_cast<float>(dw[c * taps + i] + sum);
      }
    }
  });
}

}  // namespace intandem
