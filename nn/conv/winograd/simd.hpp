// The transforms of the float Winograd convolution, written once for every vector width. Included
// by kernels_<isa>.cpp only, inside its unnamed namespace (so nothing here has external
// linkage), after it has defined Floats, a vector of floats (GCC vector extension) or float.
// No include guard, and no includes but the one that is meant for this place, on purpose.

constexpr int kIn = kWinogradInputs, kOut = kWinogradOutputs, kPos = kWinogradPositions;
constexpr float kScale = 1.0f / 16;

#include "nn/conv/vectors.hpp"

// One row of each matrix; the points are 0, 1, −1, i and −i (real part, imaginary part, and minus
// the sum of both turned by a quarter), ∞.

/// Row kRow of Bᵀ d.
template <int kRow, class At>
[[gnu::always_inline]] inline auto input_at(const At& d) {
  if constexpr (kRow == 0) return d(0) - d(4);
  if constexpr (kRow == 1) return (d(2) + d(4)) + (d(1) + d(3));
  if constexpr (kRow == 2) return (d(2) + d(4)) - (d(1) + d(3));
  if constexpr (kRow == 3) return (d(4) - d(2)) + (d(3) - d(1));
  if constexpr (kRow == 4) return (d(3) - d(1)) - (d(4) - d(2));
  if constexpr (kRow == 5) return d(3) - d(1);
  if constexpr (kRow == 6) return d(5) - d(1);
}

/// Row kRow of A e.
template <int kRow, class At>
[[gnu::always_inline]] inline auto gradient_at(const At& e) {
  if constexpr (kRow == 0) return e(0) * 4.0f;
  if constexpr (kRow == 1) return (e(0) + e(2)) + (e(1) + e(3));
  if constexpr (kRow == 2) return (e(0) + e(2)) - (e(1) + e(3));
  if constexpr (kRow == 3) return (e(0) - e(2)) * 2.0f;
  if constexpr (kRow == 4) return (e(1) - e(3)) * 2.0f;
  if constexpr (kRow == 5) return ((e(2) - e(0)) + (e(3) - e(1))) * 2.0f;
  if constexpr (kRow == 6) return e(3) * 4.0f;
}

/// Row kRow of G g.
template <int kRow, class At>
[[gnu::always_inline]] inline auto filter_at(const At& g) {
  if constexpr (kRow == 0) return g(0);
  if constexpr (kRow == 1) return (g(0) + g(2)) + g(1);
  if constexpr (kRow == 2) return (g(0) + g(2)) - g(1);
  if constexpr (kRow == 3) return g(0) - g(2);
  if constexpr (kRow == 4) return g(1);
  if constexpr (kRow == 5) return (g(0) - g(2)) + g(1);
  if constexpr (kRow == 6) return g(2);
}

/// y = Aᵀ m.
template <class V>
[[gnu::always_inline]] inline void output_1d(const V* m, V* y) {
  const V sum = m[1] + m[2], difference = m[1] - m[2];
  const V re = (m[3] - m[5]) * 2.0f, im = (m[4] - m[5]) * 2.0f;
  y[0] = (sum + re) + m[0] * 4.0f;
  y[1] = difference + im;
  y[2] = sum - re;
  y[3] = (difference - im) + m[6] * 4.0f;
}

/// g = Gᵀ m.
template <class V>
[[gnu::always_inline]] inline void filter_gradient_1d(const V* m, V* g) {
  const V sum = m[1] + m[2], turned = m[3] + m[5];
  g[0] = (sum + turned) + m[0];
  g[1] = (m[1] - m[2]) + (m[4] + m[5]);
  g[2] = (sum - turned) + m[6];
}

/// f(std::integral_constant<int, i>) for i < kCount, unrolled.
template <int kCount, class F, int... kI>
[[gnu::always_inline]] inline void unrolled(const F& f, std::integer_sequence<int, kI...>) {
  (f(std::integral_constant<int, kI>{}), ...);
}
template <int kCount, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  unrolled<kCount>(f, std::make_integer_sequence<int, kCount>{});
}

template <int kRow>
void input_row(const float* const* pixel, std::int64_t channels, float* v, std::int64_t step) {
  for_each_vector(
      channels, [&](std::int64_t c, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V half[kIn];
        unrolled<kIn>([&](auto x) __attribute__((always_inline)) {
          half[x] = input_at<kRow>([&](int y) __attribute__((always_inline)) {
            return load<V>(pixel[y * kIn + x] + c);
          });
        });
        unrolled<kPos>([&](auto j) __attribute__((always_inline)) {
          store<V>(v + j * step + c,
                   input_at<j>([&](int x) __attribute__((always_inline)) { return half[x]; }));
        });
      });
}

template <int kRow>
void gradient_row(const float* const* pixel, std::int64_t channels, float* v, std::int64_t step) {
  for_each_vector(
      channels, [&](std::int64_t c, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V half[kOut];
        unrolled<kOut>([&](auto x) __attribute__((always_inline)) {
          half[x] = gradient_at<kRow>([&](int y) __attribute__((always_inline)) {
            return load<V>(pixel[y * kOut + x] + c);
          });
        });
        unrolled<kPos>([&](auto j) __attribute__((always_inline)) {
          store<V>(v + j * step + c,
                   gradient_at<j>([&](int x) __attribute__((always_inline)) { return half[x]; }));
        });
      });
}

using RowTransform = void (*)(const float* const*, std::int64_t, float*, std::int64_t);

void input(int row, const float* const* pixel, std::int64_t channels, float* v, std::int64_t step) {
  constexpr RowTransform kRows[] = {input_row<0>, input_row<1>, input_row<2>, input_row<3>,
                                    input_row<4>, input_row<5>, input_row<6>};
  kRows[row](pixel, channels, v, step);
}

void gradient(int row, const float* const* pixel, std::int64_t channels, float* v,
              std::int64_t step) {
  constexpr RowTransform kRows[] = {gradient_row<0>, gradient_row<1>, gradient_row<2>,
                                    gradient_row<3>, gradient_row<4>, gradient_row<5>,
                                    gradient_row<6>};
  kRows[row](pixel, channels, v, step);
}

void output_columns(const float* m, std::int64_t step, float* half, std::int64_t half_step,
                    std::int64_t n) {
  for_each_vector(
      n, [&](std::int64_t e, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V in[kPos], out[kOut];
        for (int j = 0; j < kPos; ++j) in[j] = load<V>(m + j * step + e);
        output_1d(in, out);
        for (int q = 0; q < kOut; ++q) store<V>(half + q * half_step + e, out[q]);
      });
}

void output_rows(const float* half, std::int64_t half_step, const float* bias, float* y,
                 std::int64_t row, std::int64_t column, int rows, int columns, std::int64_t n) {
  for_each_vector(
      n, [&](std::int64_t e, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        const V add = bias != nullptr ? load<V>(bias + e) : V{};
        for (int q = 0; q < columns; ++q) {
          V in[kPos], out[kOut];
          for (int i = 0; i < kPos; ++i) in[i] = load<V>(half + (i * kOut + q) * half_step + e);
          output_1d(in, out);
          for (int o = 0; o < rows; ++o) store<V>(y + o * row + q * column + e, out[o] + add);
        }
      });
}

void filter(const float* taps, std::int64_t tap_step, float* u, std::int64_t step, std::int64_t n) {
  for_each_vector(
      n, [&](std::int64_t e, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V g[9];
        for (int t = 0; t < 9; ++t) g[t] = load<V>(taps + t * tap_step + e) * kScale;
        unrolled<kPos>([&](auto i) __attribute__((always_inline)) {
          V half[3];
          unrolled<3>([&](auto s) __attribute__((always_inline)) {
            half[s] =
                filter_at<i>([&](int r) __attribute__((always_inline)) { return g[r * 3 + s]; });
          });
          unrolled<kPos>([&](auto j) __attribute__((always_inline)) {
            store<V>(u + (i * kPos + j) * step + e,
                     filter_at<j>([&](int s) __attribute__((always_inline)) { return half[s]; }));
          });
        });
      });
}

void filter_gradient(const float* du, std::int64_t step, float* dw, std::int64_t tap_step,
                     std::int64_t n) {
  for_each_vector(
      n, [&](std::int64_t e, auto zero) __attribute__((always_inline)) {
        using V = decltype(zero);
        V half[3][kPos];
        for (int j = 0; j < kPos; ++j) {
          V m[kPos], g[3];
          for (int i = 0; i < kPos; ++i) m[i] = load<V>(du + (i * kPos + j) * step + e);
          filter_gradient_1d(m, g);
          for (int r = 0; r < 3; ++r) half[r][j] = g[r];
        }
        for (int r = 0; r < 3; ++r) {
          V g[3];
          filter_gradient_1d(half[r], g);
          for (int s = 0; s < 3; ++s) {
            float* to = dw + (r * 3 + s) * tap_step + e;
            store<V>(to, load<V>(to) + g[s] * kScale);
          }
        }
      });
}
