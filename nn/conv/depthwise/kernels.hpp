// Inner loops of the depthwise convolution, one file per instruction set. Plain data and function
// pointers only (docs/float_kernels.md).
#pragma once

#include <cstdint>

namespace intandem {

/// One pixel and one filter tap that meet: `C` channels of each.
struct DepthwiseTap {
  const float* pixel;
  const float* weight;
};

struct DepthwiseKernels {
  /// out[c] = start[c] + Σ_t taps[t].weight[c]·taps[t].pixel[c], in the order of the taps;
  /// start null: from zero.
  void (*sum_taps)(const DepthwiseTap* taps, std::int64_t count, const float* start, std::int64_t C,
                   float* out);
  /// sum[c] += Σ_{i < count} a[i·a_step + c]·b[i·b_step + c], in order.
  void (*sum_products)(std::int64_t count, const float* a, std::int64_t a_step, const float* b,
                       std::int64_t b_step, std::int64_t C, float* sum);
};

extern const DepthwiseKernels kDepthwiseKernels_ref;
#if defined(__x86_64__)
extern const DepthwiseKernels kDepthwiseKernels_avx2;
extern const DepthwiseKernels kDepthwiseKernels_avx512;
#endif

/// The kernels of active_isa().
const DepthwiseKernels& depthwise_kernels();

}  // namespace intandem
