#include "quant/integer/accumulate.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/divide.hpp"
#include "core/memory.hpp"
#include "core/parallel.hpp"
#include "quant/integer/plan.hpp"

namespace intandem {
namespace {

/// Vectors every CPU has (GCC's vector extension): comparison and selection are one instruction
/// each.
using Sums4 [[gnu::vector_size(16)]] = std::int32_t;

Sums4 load4(const std::int32_t* x) {
  Sums4 sums;
  std::memcpy(&sums, x, sizeof sums);
  return sums;
}

struct Window {
  std::int64_t kernel, row_stride, K;
};

/// Four channels of one window; lane i of `place` is where lane i of the result was found.
Sums4 max_window4(const Window& w, const std::int32_t* corner, Sums4& place) {
  Sums4 best = load4(corner);
  place = Sums4{};
  for (std::int64_t r = 0; r < w.kernel; ++r) {
    for (std::int64_t s = 0; s < w.kernel; ++s) {
      const Sums4 sums = load4(corner + r * w.row_stride + s * w.K);
      const auto here = static_cast<std::int32_t>(r * w.kernel + s);
      place = sums > best ? Sums4{here, here, here, here} : place;
      best = sums > best ? sums : best;
    }
  }
  return best;
}

void max_window1(const Window& w, const std::int32_t* corner, std::int32_t& best,
                 std::uint8_t& place) {
  best = corner[0];
  place = 0;
  for (std::int64_t r = 0; r < w.kernel; ++r) {
    for (std::int64_t s = 0; s < w.kernel; ++s) {
      const std::int32_t sum = corner[r * w.row_stride + s * w.K];
      if (sum > best) best = sum, place = static_cast<std::uint8_t>(r * w.kernel + s);
    }
  }
}

/// All channels of one window.
void max_window(const Window& w, const std::int32_t* corner, std::int32_t* best,
                std::uint8_t* places) {
  std::int64_t k = 0;
  for (; k + 4 <= w.K; k += 4) {
    Sums4 place;
    const Sums4 sums = max_window4(w, corner + k, place);
    std::memcpy(best + k, &sums, sizeof sums);
    if (places == nullptr) continue;
    for (int i = 0; i < 4; ++i) places[k + i] = static_cast<std::uint8_t>(place[i]);
  }
  for (; k < w.K; ++k) {
    std::uint8_t place = 0;
    max_window1(w, corner + k, best[k], place);
    if (places != nullptr) places[k] = place;
  }
}

}  // namespace

TensorS32 accumulate(IntLayer layer, const TensorU8& codes) {
  const ConvShape& shape = layer.shape;
  const std::int64_t N = codes.dim(0);
  INTANDEM_CHECK(codes.size() == N * shape.H * shape.W * shape.C,
                 "codes of shape " + codes.shape().str() + " for " + shape.str());
  // A layer without requantization, shortcut and max-pool, as the last one is.
  layer.max_code = 0;
  layer.add = -1;
  layer.pool_kernel = layer.pool_stride = 0;
  layer.scale.clear();
  layer.add_m.clear();
  layer.zero_point = layer.add_zero = 0;
  const std::unique_ptr<PreparedLayer> prepared = prepare_layer(layer, "direct");
  TensorS32 accumulators({N, shape.P(), shape.Q(), shape.K});
  const auto scratch = allocate_aligned(static_cast<std::size_t>(prepared->scratch_bytes(N)));
  LayerRun run;
  run.N = N;
  run.input = codes.data();
  run.accumulators = accumulators.data();
  run.scratch = scratch.get();
  prepared->run(run);
  return accumulators;
}

TensorS32 max_pool_accumulators(const TensorS32& acc, std::int64_t kernel, std::int64_t stride,
                                TensorU8* places) {
  const std::int64_t N = acc.dim(0), H = acc.dim(1), W = acc.dim(2), K = acc.dim(3);
  INTANDEM_CHECK(kernel > 0 && kernel <= 15 && stride > 0 && kernel <= H && kernel <= W,
                 "pooling of accumulators " + acc.shape().str());
  const std::int64_t P = (H - kernel) / stride + 1, Q = (W - kernel) / stride + 1;
  TensorS32 result({N, P, Q, K});
  if (places != nullptr) *places = TensorU8(result.shape());
  const Window window = {kernel, W * K, K};
  parallel_for(N * P, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int32_t* top = acc.data() + (i / P * H + i % P * stride) * W * K;
      for (std::int64_t q = 0; q < Q; ++q) {
        const std::int64_t at = (i * Q + q) * K;
        max_window(window, top + q * stride * K, result.data() + at,
                   places == nullptr ? nullptr : places->data() + at);
      }
    }
  });
  return result;
}

Requantizer::Requantizer(const IntLayer& layer)
    : K_(layer.shape.K), data_(layer), function_(requant_function(active_isa())) {}

void Requantizer::run(const std::int32_t* acc, const std::uint8_t* shortcut, std::int64_t rows,
                      std::uint8_t* codes) const {
  // Kernels read whole vectors: the last row is copied where its channels do not fill them.
  const bool whole = K_ % 16 == 0;
  const std::int64_t direct = whole ? rows : std::max<std::int64_t>(0, rows - 1);
  if (direct > 0) function_({acc, shortcut, codes, direct, K_, K_, K_, data_.from(0)});
  if (whole || rows == 0) return;
  std::vector<std::int32_t> last(static_cast<std::size_t>(round_up(K_, 16)));
  std::copy_n(acc + direct * K_, K_, last.begin());
  function_({last.data(), shortcut == nullptr ? nullptr : shortcut + direct * K_,
             codes + direct * K_, 1, K_, K_, K_, data_.from(0)});
}

}  // namespace intandem
