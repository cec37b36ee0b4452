// The inner loops of the depthwise convolution, written once for every vector width. Included by
// kernels_<isa>.cpp only, inside its unnamed namespace (so nothing here has external
// linkage), after it has defined Floats, a vector of floats (GCC vector extension) or float.
// No include guard, and no includes but the one that is meant for this place, on purpose.

#include "nn/conv/vectors.hpp"

void sum_taps(const DepthwiseTap* taps, std::int64_t count, const float* start, std::int64_t C,
              float* out) {
  for_each_vector(C, [&](std::int64_t c, auto sum) {
    using V = decltype(sum);
    if (start != nullptr) sum = load<V>(start + c);
    for (std::int64_t t = 0; t < count; ++t) {
      sum += load<V>(taps[t].weight + c) * load<V>(taps[t].pixel + c);
    }
    store(out + c, sum);
  });
}

void sum_products(std::int64_t count, const float* a, std::int64_t a_step, const float* b,
                  std::int64_t b_step, std::int64_t C, float* sum) {
  for_each_vector(C, [&](std::int64_t c, auto part) {
    using V = decltype(part);
    part = load<V>(sum + c);
    for (std::int64_t i = 0; i < count; ++i) {
      part += load<V>(a + i * a_step + c) * load<V>(b + i * b_step + c);
    }
    store(sum + c, part);
  });
}
