// Forward pass and data gradient by Winograd; the weight gradient is in
// weights.cpp.
#include "nn/conv/winograd/winograd.hpp"

#include <algorithm>
#include <vector>

#include "core/blocking.hpp"
#include "core/dispatch.hpp"
#include "core/divide.hpp"
#include "core/gemm_driver.hpp"
#include "core/parallel.hpp"
#include "nn/conv/padded.hpp"
#include "nn/conv/rows/kernels.hpp"
#include "nn/conv/winograd/kernels.hpp"
#include "nn/conv/winograd/tiles.hpp"

namespace intandem {
namespace {

using std::int64_t;
using Role = StridedMatrix::Role;

constexpr int64_t kPos = kWinogradPositions, kPositions = kPos * kPos;
// Tiles of a group: their transformed inputs of one row of positions fill three quarters of the
// second-level cache, a panel of weights and the products the rest. Small groups read all weights
// for too few tiles.
constexpr int64_t kGroupQuarters = 3;
constexpr int64_t kLeastTiles = 28, kMostTiles = 168;
// Steps of the reduction whose filters are transformed at a time.
constexpr int64_t kFilterSteps = 64;
// Between arrays of the same power-of-two size, so that they use different sets of a cache.
constexpr int64_t kSkew = 16;

/// y [N][P][Q][K] from x [N][H][W][C]; tap (r, s) is the matrix w + tap_offset(r·3 + s).
struct Problem {
  const float* x;
  int64_t N, H, W, C, P, Q, K, pad;
  const float* bias;
  float* y;
  // Weights of tap t: element (step c, column k), the operand of a product.
  std::vector<StridedMatrix> taps;
};

class Job {
 public:
  explicit Job(const Problem& problem)
      : g_(problem),
        kernels_(winograd_kernels()),
        rows_(row_kernels()),
        tiles_{g_.N, g_.P, g_.Q},
        panels_(ceil_div(g_.K, rows_.nr)),
        filters_(kPositions * panels_ * panel_floats()),
        zeros_(g_.C) {
    std::fill(zeros_.data(), zeros_.data() + g_.C, 0.0f);
    const int64_t most =
        std::clamp(second_level_floats(kGroupQuarters) / (kPos * g_.C), kLeastTiles, kMostTiles);
    groups_ = ceil_div(tiles_.count(), most);
    const int64_t threads = thread_count();
    if (tiles_.count() >= threads * kLeastTiles) groups_ = ceil_div(groups_, threads) * threads;
    group_ = ceil_div(tiles_.count(), groups_);
  }

  void run() {
    transform_filters();
    parallel_for(groups_, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t begin = i * group_, end = std::min(tiles_.count(), begin + group_);
        if (begin < end) run_group(begin, end);
      }
    });
  }

 private:
  int64_t panel_floats() const { return g_.C * rows_.nr; }

  /// filters_[position][panel][C][nr], nr = output channels of a panel.
  void transform_filters() {
    const int64_t nr = rows_.nr, blocks = ceil_div(g_.C, kFilterSteps);
    parallel_for(panels_ * blocks, 1, [&](int64_t first, int64_t last) {
      const FloatBlock taps(9 * kFilterSteps * nr);
      for (int64_t i = first; i < last; ++i) {
        const int64_t panel = i / blocks, c = i % blocks * kFilterSteps;
        const int64_t depth = std::min(kFilterSteps, g_.C - c);
        const int count = static_cast<int>(std::min(nr, g_.K - panel * nr));
        for (int64_t t = 0; t < 9; ++t) {
          g_.taps[static_cast<std::size_t>(t)].pack(gemm_kernels(), taps.data() + t * depth * nr,
                                                    panel * nr, count, c, depth);
        }
        kernels_.filter(taps.data(), depth * nr, filters_.data() + panel * panel_floats() + c * nr,
                        panels_ * panel_floats(), depth * nr);
      }
    });
  }

  void run_group(int64_t begin, int64_t end) const {
    const int64_t count = end - begin, nr = rows_.nr;
    const int64_t value_step = count * g_.C + kSkew, product_step = count * nr + kSkew;
    const FloatBlock values(kPos * value_step), products(kPos * product_step);
    // [panel][row of positions][output column][tile][nr]
    const FloatBlock half(panels_ * kPos * kWinogradOutputs * count * nr);
    std::vector<const float*> pixels(static_cast<std::size_t>(count * 36));
    for (int64_t t = 0; t < count; ++t) {
      const WinogradTile tile(tiles_, begin + t);
      winograd_pixels(g_.x + tile.n * g_.H * g_.W * g_.C, g_.H, g_.W, g_.C, tile.p - g_.pad,
                      tile.q - g_.pad, kWinogradInputs, zeros_.data(), pixels.data() + t * 36);
    }
    for (int64_t i = 0; i < kPos; ++i) {
      for (int64_t t = 0; t < count; ++t) {
        kernels_.input(static_cast<int>(i), pixels.data() + t * 36, g_.C, values.data() + t * g_.C,
                       value_step);
      }
      for (int64_t panel = 0; panel < panels_; ++panel) {
        for (int64_t j = 0; j < kPos; ++j) {
          const float* u = filters_.data() + ((i * kPos + j) * panels_ + panel) * panel_floats();
          multiply(values.data() + j * value_step, u, products.data() + j * product_step, count);
        }
        float* to = half.data() + (panel * kPos + i) * kWinogradOutputs * count * nr;
        kernels_.output_columns(products.data(), product_step, to, count * nr, count * nr);
      }
    }
    for (int64_t t = 0; t < count; ++t) {
      const WinogradTile tile(tiles_, begin + t);
      float* y = g_.y + ((tile.n * g_.P + tile.p) * g_.Q + tile.q) * g_.K;
      for (int64_t panel = 0; panel < panels_; ++panel) {
        const int64_t k = panel * nr;
        const float* from = half.data() + (panel * kPos * kWinogradOutputs * count + t) * nr;
        kernels_.output_rows(from, count * nr, g_.bias == nullptr ? nullptr : g_.bias + k, y + k,
                             g_.Q * g_.K, g_.K, tile.rows, tile.columns, std::min(nr, g_.K - k));
      }
    }
  }

  /// products[tile][nr] = values[tile][C] × u[C][nr], in equal tiles of the register kernel.
  void multiply(const float* values, const float* u, float* products, int64_t count) const {
    const int64_t nr = rows_.nr, blocks = ceil_div(count, rows_.max_pixels);
    RowTile tile;
    tile.pixel_stride = g_.C;
    tile.rows = 1;
    tile.length = g_.C;
    tile.row_stride = 0;
    tile.b = u;
    tile.ldc = nr;
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t t = count * i / blocks, size = count * (i + 1) / blocks - t;
      const int64_t middle = t + (size + 1) / 2;
      tile.low = values + t * g_.C;
      tile.high = values + middle * g_.C;
      tile.c_low = products + t * nr;
      tile.c_high = products + middle * nr;
      rows_.tile(tile, static_cast<int>(size), static_cast<int>(nr));
    }
  }

  const Problem& g_;
  const WinogradKernels& kernels_;
  const RowKernels& rows_;
  WinogradTiles tiles_;
  int64_t panels_;
  FloatBlock filters_, zeros_;
  int64_t groups_ = 0, group_ = 0;
};

bool& use_winograd() {
  static thread_local bool use = false;
  return use;
}

}  // namespace

const WinogradKernels& winograd_kernels() {
  static constexpr KernelRow<const WinogradKernels*> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, &kWinogradKernels_avx512},
    {Isa::avx2, &kWinogradKernels_avx2},
#endif
    {Isa::ref, &kWinogradKernels_ref},
  };
  return *choose_kernel(kTable);
}

bool winograd_admits(const ConvShape& s) {
  return s.R == 3 && s.S == 3 && s.stride == 1 && s.pad <= 2 && s.groups == 1;
}

// In products of the direct way, from measurements with AVX-512 (docs/float_kernels.md).
constexpr int64_t kProductCost = 61, kInputCost = 49 * 16, kOutputCost = 49 * 32;
constexpr int64_t kFilterCost = 49 * 64;

bool winograd_pays(const ConvShape& s, ConvPass pass) {
  if (!winograd_admits(s)) return false;
  const bool data = pass == ConvPass::data_gradient;
  const WinogradTiles tiles =
      data ? WinogradTiles{s.N, s.H, s.W} : WinogradTiles{s.N, s.P(), s.Q()};
  const int64_t in = data ? s.K : s.C, out = data ? s.C : s.K;
  const int64_t cost =
      tiles.count() * (kProductCost * in * out + kInputCost * in + kOutputCost * out) +
      kFilterCost * in * out;
  const int64_t direct = tiles.N * tiles.P * tiles.Q * 9 * in * out;
  return 10 * cost < 9 * direct;
}

void winograd_forward(const ConvShape& s, const float* x, const float* w, const float* bias,
                      float* y) {
  s.check();
  if (s.N == 0) return;
  Problem g = {x, s.N, s.H, s.W, s.C, s.P(), s.Q(), s.K, s.pad, bias, y, {}};
  for (int64_t t = 0; t < 9; ++t) {
    g.taps.emplace_back(Role::b, w + t * s.C, s.reduction(), false);
  }
  Job(g).run();
}

void winograd_backward_data(const ConvShape& s, const float* dy, const float* w, float* dx) {
  s.check();
  if (s.N == 0) return;
  // The convolution of dy with the filters reversed.
  Problem g = {dy, s.N, s.P(), s.Q(), s.K, s.H, s.W, s.C, 2 - s.pad, nullptr, dx, {}};
  for (int64_t t = 0; t < 9; ++t) {
    g.taps.emplace_back(Role::b, w + (8 - t) * s.C, s.reduction(), true);
  }
  Job(g).run();
}

UseWinograd::UseWinograd(bool use) : before_(use_winograd()) { use_winograd() = use; }
UseWinograd::~UseWinograd() { use_winograd() = before_; }
bool winograd_in_use() { return use_winograd(); }

}  // namespace intandem
