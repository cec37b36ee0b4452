// The Winograd convolution on every instruction set against plain loops in double.
#include "nn/conv/winograd/winograd.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "nn/conv/conv2d.hpp"
#include "tests/float_isas.hpp"
#include "tests/nn/conv_problem.hpp"

using namespace intandem;
using std::int64_t;

namespace {

ConvProblem<float> run_winograd(const ConvShape& s, bool integers) {
  ConvProblem<float> f(s, integers);
  winograd_forward(s, f.x.data(), f.w.data(), f.bias.data(), f.y.data());
  winograd_backward_data(s, f.dy.data(), f.w.data(), f.dx.data());
  winograd_backward_weights(s, f.x.data(), f.dy.data(), f.dw.data());
  return f;
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
  const ConvProblem<float> f = run_winograd(s, true);
  const ConvProblem<double> d = run_reference(s, true);
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
  const ConvProblem<double> d = run_reference(s, false);
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    const ConvProblem<float> f = run_winograd(s, false);
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
    const ConvProblem<float> one = run_winograd(s, false);
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      const ConvProblem<float> many = run_winograd(s, false);
      CHECK(many.y == one.y);
      CHECK(many.dx == one.dx);
      CHECK(many.dw == one.dw);
    }
  }
}

TEST_CASE("winograd: bit-identical whatever the caches", "[winograd]") {
  const RestoreSettings restore;
  const ConvShape s{5, 21, 21, 200, 40, 3, 3, 1, 1};  // groups of 28 to 150 tiles
  set_cache_sizes({});
  const ConvProblem<float> unknown = run_winograd(s, false);
  for (const int64_t bytes : {int64_t{1}, int64_t{64} << 20}) {
    set_cache_sizes({bytes, bytes});
    const ConvProblem<float> other = run_winograd(s, false);
    CHECK(other.y == unknown.y);
    CHECK(other.dx == unknown.dx);
    CHECK(other.dw == unknown.dw);
  }
}

TEST_CASE("winograd: an image's result does not depend on the batch", "[winograd]") {
  ConvShape s{9, 10, 10, 30, 34, 3, 3, 1, 1};
  const ConvProblem<float> batch = run_winograd(s, false);
  s.N = 1;
  const ConvProblem<float> single = run_winograd(s, false);
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
