// Loads, stores and loops for code that is written once for every vector width. Included by the
// simd.hpp of the convolutions only, and with them inside the unnamed namespace of
// kernels_<isa>.cpp (so nothing here has external linkage), after Floats, a vector of floats (GCC
// vector extension) or float. No include guard and no includes on purpose.

template <class V>
[[gnu::always_inline]] inline V load(const float* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
[[gnu::always_inline]] inline void store(float* p, const V& v) {
  __builtin_memcpy(p, &v, sizeof v);
}

/// Calls f(c, V{}) for whole vectors c of [0, n), then f(c, float{}) for each element left over.
template <class F>
[[gnu::always_inline]] inline void for_each_vector(std::int64_t n, const F& f) {
  constexpr std::int64_t kLanes = sizeof(Floats) / sizeof(float);
  std::int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) f(c, Floats{});
  for (; c < n; ++c) f(c, float{});
}
