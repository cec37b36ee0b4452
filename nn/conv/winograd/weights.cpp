// Weight gradient by Winograd: for each position, transformed inputs times transformed gradients,
// summed over all tiles; then back to the nine taps once.
#include <algorithm>

#include "core/divide.hpp"
#include "core/gemm_driver.hpp"
#include "core/parallel.hpp"
#include "nn/conv/padded.hpp"
#include "nn/conv/winograd/kernels.hpp"
#include "nn/conv/winograd/tiles.hpp"
#include "nn/conv/winograd/winograd.hpp"

namespace intandem {
namespace {

using std::int64_t;
using Role = StridedMatrix::Role;

constexpr int64_t kPos = kWinogradPositions;
// Tiles transformed and summed at a time; sums depend on it.
constexpr int64_t kTilesTogether = kMaxColumnDepth;
constexpr int64_t kSkew = 16;

/// du[row·7 + j][k][c] for one row of positions and the output channels [k0, k1).
void sum_positions(const ConvShape& s, const float* x, const float* dy, int row, int64_t k0,
                   int64_t k1, const float* zeros, float* du) {
  const WinogradKernels& kernels = winograd_kernels();
  const WinogradTiles tiles{s.N, s.P(), s.Q()};
  const int64_t chunks = ceil_div(tiles.count(), kTilesTogether), channels = k1 - k0;
  const int64_t most = ceil_div(tiles.count(), chunks);
  const int64_t value_step = most * s.C + kSkew, gradient_step = most * channels + kSkew;
  const FloatBlock values(kPos * value_step), gradients(kPos * gradient_step);
  const float* pixel[kWinogradInputs * kWinogradInputs];
  for (int64_t begin = 0; begin < tiles.count(); begin += most) {
    const int64_t count = std::min(most, tiles.count() - begin);
    for (int64_t t = 0; t < count; ++t) {
      const WinogradTile tile(tiles, begin + t);
      winograd_pixels(x + tile.n * s.H * s.W * s.C, s.H, s.W, s.C, tile.p - s.pad, tile.q - s.pad,
                      kWinogradInputs, zeros, pixel);
      kernels.input(row, pixel, s.C, values.data() + t * s.C, value_step);
      winograd_pixels(dy + tile.n * tiles.P * tiles.Q * s.K + k0, tiles.P, tiles.Q, s.K, tile.p,
                      tile.q, kWinogradOutputs, zeros, pixel);
      kernels.gradient(row, pixel, channels, gradients.data() + t * channels, gradient_step);
    }
    for (int64_t j = 0; j < kPos; ++j) {
      const StridedMatrix a(Role::a, gradients.data() + j * gradient_step, channels, true);
      const StridedMatrix b(Role::b, values.data() + j * value_step, s.C, true);
      GemmProblem g;
      g.M = channels;
      g.N = s.C;
      g.K = count;
      g.a = &a;
      g.b = &b;
      g.c = du + ((row * kPos + j) * s.K + k0) * s.C;
      g.ldc = s.C;
      g.accumulate = begin > 0;
      run_gemm(g);
    }
  }
}

}  // namespace

void winograd_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw) {
  s.check();
  if (s.N == 0) return;
  const FloatBlock zeros(std::max(s.C, s.K)), du(kPos * kPos * s.K * s.C);
  std::fill(zeros.data(), zeros.data() + std::max(s.C, s.K), 0.0f);
  // The seven rows, each in as many shares of the channels as there are threads.
  const int64_t shares = std::min<int64_t>(thread_count(), ceil_div(s.K, 32));
  parallel_for(kPos * shares, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t share = i % shares;
      sum_positions(s, x, dy, static_cast<int>(i / shares), s.K * share / shares,
                    s.K * (share + 1) / shares, zeros.data(), du.data());
    }
  });
  parallel_for(s.K, 8, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      winograd_kernels().filter_gradient(du.data() + k * s.C, s.K * s.C, dw + k * s.reduction(),
                                         s.C, s.C);
    }
  });
}

}  // namespace intandem
