// The Winograd convolution on every instruction set against plain loops in double.
#include "nn/conv2d_winograd.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "core/rng.hpp"
#include "nn/conv2d_kernels.hpp"
#include "nn/conv2d_ref.hpp"
#include "tests/float_isas.hpp"

using namespace intandem;
using std::int64_t;

namespace {

template <class T>
std::vector<T> random_values(int64_t n, std::uint64_t stream, bool integers) {
  const Rng rng = Rng(12).stream(stream);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = integers ? static_cast<T>(rng.below(i, 7)) - T{3}
                         : static_cast<T>(2.0f * rng.uniform(i) - 1.0f);
  }
  return values;
}

template <class T>
struct Problem {
  Problem(const ConvShape& s, bool integers)
      : x(random_values<T>(s.N * s.H * s.W * s.C, 1, integers)),
        w(random_values<T>(s.K * s.reduction(), 2, integers)),
        bias(random_values<T>(s.K, 3, integers)),
        dy(random_values<T>(s.N * s.P() * s.Q() * s.K, 4, integers)),
        y(dy.size(), std::numeric_limits<T>::quiet_NaN()),
        dx(x.size(), std::numeric_limits<T>::quiet_NaN()),
        dw(random_values<T>(s.K * s.reduction(), 5, integers)) {}
  std::vector<T> x, w, bias, dy;
  std::vector<T> y, dx, dw;  // results; dw accumulates
};

Problem<float> run_winograd(const ConvShape& s, bool integers) {
  Problem<float> f(s, integers);
  winograd_forward(s, f.x.data(), f.w.data(), f.bias.data(), f.y.data());
  winograd_backward_data(s, f.dy.data(), f.w.data(), f.dx.data());
  winograd_backward_weights(s, f.x.data(), f.dy.data(), f.dw.data());
  return f;
}

Problem<double> run_reference(const ConvShape& s, bool integers) {
  Problem<double> d(s, integers);
  conv2d_forward_ref(s, d.x.data(), d.w.data(), d.bias.data(), d.y.data());
  conv2d_backward_data_ref(s, d.dy.data(), d.w.data(), d.dx.data());
  conv2d_backward_weights_ref<double>(s, d.x.data(), d.dy.data(), d.dw.data(), nullptr);
  return d;
}

// Largest error over the root mean square of the exact values.
double relative_error(const std::vector<float>& actual, const std::vector<double>& exact) {
  double largest = 0, squares = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = std::abs(actual[i] - exact[i]);
    largest = error > largest || std::isnan(error) ? error : largest;
    squares += exact[i] * exact[i];
  }
  return largest / std::sqrt(squares / static_cast<double>(exact.size()));
}

void check(const ConvShape& s) {
  INFO(s.str() << " on " << isa_name(active_isa()));
  // Integers come out exactly: all constants are integers or powers of two.
  const Problem<float> f = run_winograd(s, true);
  const Problem<double> d = run_reference(s, true);
  CHECK(relative_error(f.y, d.y) == 0.0);
  CHECK(relative_error(f.dx, d.dx) == 0.0);
  CHECK(relative_error(f.dw, d.dw) == 0.0);
}

}  // namespace

TEST_CASE("winograd: the three passes are exact on small integers", "[winograd]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const ConvShape& s : {
             // N, H, W, C, K, R, S, stride, pad
             ConvShape{1, 4, 4, 1, 1, 3, 3, 1, 1},     // one tile, one channel
             ConvShape{2, 8, 8, 17, 33, 3, 3, 1, 1},   // whole tiles, odd channels
             ConvShape{1, 1, 1, 3, 2, 3, 3, 1, 1},     // one pixel
             ConvShape{1, 3, 3, 5, 4, 3, 3, 1, 0},     // one output
             ConvShape{1, 2, 3, 4, 35, 3, 3, 1, 2},    // padding 2
             ConvShape{3, 13, 10, 20, 9, 3, 3, 1, 1},  // tiles of 1 and 2 rows left over
             ConvShape{2, 7, 6, 70, 3, 3, 3, 1, 0},    // channels beyond a block of filters
             ConvShape{2, 15, 11, 8, 16, 3, 3, 1, 2},  // 3 rows left over
             ConvShape{9, 21, 17, 2, 2, 3, 3, 1, 1},   // several groups of tiles
         }) {
      check(s);
    }
  }
}

TEST_CASE("winograd: errors are those of the documentation", "[winograd]") {
  const RestoreSettings restore;
  const ConvShape s{4, 8, 8, 64, 48, 3, 3, 1, 1};
  const Problem<double> d = run_reference(s, false);
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    const Problem<float> f = run_winograd(s, false);
    INFO(isa_name(isa));
    CHECK(relative_error(f.y, d.y) < 8e-6);
    CHECK(relative_error(f.dx, d.dx) < 8e-6);
    CHECK(relative_error(f.dw, d.dw) < 8e-6);
  }
}

TEST_CASE("winograd: bit-identical for any number of threads", "[winograd]") {
  const RestoreSettings restore;
  const ConvShape s{7, 13, 13, 24, 80, 3, 3, 1, 1};
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    set_thread_count(1);
    const Problem<float> one = run_winograd(s, false);
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      const Problem<float> many = run_winograd(s, false);
      CHECK(many.y == one.y);
      CHECK(many.dx == one.dx);
      CHECK(many.dw == one.dw);
    }
  }
}

TEST_CASE("winograd: an image's result does not depend on the batch", "[winograd]") {
  ConvShape s{9, 10, 10, 30, 34, 3, 3, 1, 1};
  const Problem<float> batch = run_winograd(s, false);
  s.N = 1;
  const Problem<float> single = run_winograd(s, false);
  CHECK(std::equal(single.y.begin(), single.y.end(), batch.y.begin()));
  CHECK(std::equal(single.dx.begin(), single.dx.end(), batch.dx.begin()));
}

TEST_CASE("winograd: which layers it is for", "[winograd]") {
  CHECK_FALSE(winograd_admits({1, 8, 8, 64, 64, 3, 3, 2, 1}));
  CHECK_FALSE(winograd_admits({1, 8, 8, 64, 64, 5, 5, 1, 2}));
  CHECK_FALSE(winograd_admits({1, 8, 8, 64, 64, 3, 1, 1, 1}));
  CHECK_FALSE(winograd_admits({1, 8, 8, 64, 64, 3, 3, 1, 3}));
  // Too few channels for the transforms, too few tiles for the filters, too much padding of tiles.
  CHECK(winograd_pays({128, 8, 8, 384, 256, 3, 3, 1, 1}, ConvPass::forward));
  CHECK_FALSE(winograd_pays({128, 8, 8, 8, 16, 3, 3, 1, 1}, ConvPass::forward));
  CHECK_FALSE(winograd_pays({1, 8, 8, 384, 256, 3, 3, 1, 1}, ConvPass::weight_gradient));
  CHECK_FALSE(winograd_pays({128, 5, 5, 384, 256, 3, 3, 1, 1}, ConvPass::data_gradient));
  CHECK_FALSE(winograd_in_use());
  {
    const UseWinograd use(true);
    CHECK(winograd_in_use());
  }
  CHECK_FALSE(winograd_in_use());
}
