// The convolution kernels on every instruction set against plain loops in double, and those loops
// against finite differences.
#include "nn/conv/conv2d.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/tensor.hpp"
#include "nn/conv/ref.hpp"
#include "tests/float_isas.hpp"
#include "tests/nn/conv_problem.hpp"

using namespace intandem;
using std::int64_t;

namespace {

ConvProblem<float> run_kernels(const ConvShape& shape, bool integers = false) {
  ConvProblem<float> f(shape, integers);
  conv2d_forward(shape, f.x.data(), f.w.data(), f.bias.data(), f.y.data());
  conv2d_backward_data(shape, f.dy.data(), f.w.data(), f.dx.data());
  conv2d_backward_weights(shape, f.x.data(), f.dy.data(), f.dw.data(), f.db.data());
  return f;
}

// Elements further than `terms` roundings of a sum of `terms` products of magnitude ≤ 1.
int64_t count_wrong(const std::vector<float>& actual, const std::vector<double>& expected,
                    int64_t terms, bool exact) {
  // A sum of n random products grows like √n; four times that bounds every partial sum here.
  const double n = static_cast<double>(terms + 2);
  const double bound = exact ? 0.0 : n * 4.0 * std::sqrt(n) * 6e-8;
  int64_t wrong = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    wrong += !(std::abs(actual[i] - expected[i]) <= bound);
  }
  return wrong;
}

void check_shape(const ConvShape& shape, bool integers) {
  const ConvProblem<double> d = run_reference(shape, integers);
  const ConvProblem<float> f = run_kernels(shape, integers);
  const int64_t pixels = shape.N * shape.P() * shape.Q();
  INFO(shape.str() << " on " << isa_name(active_isa()) << (integers ? ", integers" : ""));
  CHECK(count_wrong(f.y, d.y, shape.reduction(), integers) == 0);
  CHECK(count_wrong(f.dx, d.dx, shape.R * shape.S * shape.group_K(), integers) == 0);
  CHECK(count_wrong(f.dw, d.dw, pixels, integers) == 0);
  CHECK(count_wrong(f.db, d.db, pixels, integers) == 0);
}

const ConvShape kShapes[] = {
    // N, H, W, C, K, R, S, stride, pad
    {1, 1, 1, 1, 1, 1, 1, 1, 0},        // one product
    {2, 5, 4, 3, 5, 3, 3, 1, 1},        // first layer, rows shorter than a tile
    {3, 7, 7, 1, 6, 5, 5, 1, 2},        // one channel, padding 2
    {2, 9, 8, 3, 8, 3, 3, 2, 1},        // stride 2, odd and even extents
    {1, 11, 13, 2, 7, 5, 3, 3, 2},      // stride 3, oblong kernel and image
    {1, 6, 6, 4, 3, 2, 2, 3, 0},        // stride beyond the kernel: untouched pixels
    {2, 4, 4, 33, 17, 3, 3, 1, 1},      // more channels than a panel
    {1, 23, 23, 3, 16, 11, 11, 4, 2},   // AlexNet's first layer, small
    {1, 3, 3, 5, 4, 3, 3, 1, 0},        // window covers the image: an FC layer
    {1, 2, 3, 2, 3, 3, 3, 1, 3},        // padding beyond the kernel
    {5, 1, 1, 40, 35, 1, 1, 1, 0},      // linear
    {2, 6, 5, 20, 9, 1, 1, 1, 0},       // pointwise
    {2, 6, 5, 8, 9, 1, 1, 2, 0},        // pointwise with stride
    {2, 8, 8, 48, 40, 3, 3, 1, 1},      // reduction beyond one block
    {3, 14, 15, 4, 6, 3, 3, 2, 0},      // last row and column unused
    {2, 7, 6, 12, 8, 3, 3, 1, 1, 4},    // four groups
    {2, 6, 7, 4, 12, 3, 3, 2, 1, 4},    // three outputs per channel
    {2, 6, 5, 10, 6, 1, 1, 1, 0, 2},    // pointwise in two groups
    {3, 9, 8, 37, 37, 3, 3, 1, 1, 37},  // depthwise: vectors of every width and a rest
    {2, 9, 10, 16, 16, 5, 3, 2, 2, 16},
    {1, 2, 3, 5, 5, 3, 3, 1, 3, 5},  // padding beyond the kernel
    {1, 6, 6, 4, 4, 2, 2, 3, 0, 4},  // stride beyond the kernel
    {1, 5, 5, 130, 130, 3, 3, 4, 1, 130},
};

}  // namespace

TEST_CASE("conv2d: the three passes match plain loops in double", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const ConvShape& shape : kShapes) {
      check_shape(shape, false);
      check_shape(shape, true);
    }
  }
}

TEST_CASE("conv2d: every tile of the convolution by rows", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (int64_t W = 1; W <= 19; ++W) {
      for (const int64_t K : {1, 8, 9, 16, 17, 32, 33, 70}) {
        check_shape({2, 3, W, 1 + W % 3, K, 3, 3, 1 + W % 2, 1}, true);
      }
    }
    // On either side of the limit beyond which the matrix product takes over.
    check_shape({1, 4, 5, 192, 193, 3, 3, 1, 1}, false);
    check_shape({1, 4, 5, 193, 192, 3, 3, 1, 1}, false);
  }
}

TEST_CASE("conv2d: first layers, tiles and bands with remainders", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const ConvShape& shape : {
             ConvShape{2, 19, 37, 3, 70, 3, 3, 1, 1},    // more than two panels of channels
             ConvShape{1, 30, 47, 3, 33, 11, 11, 4, 2},  // 33 taps in a row
             ConvShape{3, 10, 33, 1, 40, 5, 5, 2, 2},    // one channel
             ConvShape{2, 9, 17, 4, 35, 3, 2, 1, 0},     // no padding, oblong
             ConvShape{1, 12, 20, 3, 20, 3, 3, 3, 1},    // a distance of windows without a kernel
             ConvShape{17, 3, 3, 3, 5, 3, 3, 1, 1},      // more images than shares of the gradient
         }) {
      check_shape(shape, false);
      check_shape(shape, true);
    }
  }
}

TEST_CASE("conv2d: large first layers come out the same wherever they are written",
          "[conv2d_kernels]") {
  const RestoreSettings restore;
  // 4 MiB of results and whole tiles of channels: aligned, they go past the caches.
  const ConvShape shape{2, 128, 128, 3, 32, 3, 3, 1, 1};
  const ConvProblem<float> f(shape);
  const auto size = static_cast<int64_t>(f.y.size());
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    TensorF aligned({size}), shifted({size + 1});
    conv2d_forward(shape, f.x.data(), f.w.data(), f.bias.data(), aligned.data());
    conv2d_forward(shape, f.x.data(), f.w.data(), f.bias.data(), shifted.data() + 1);
    INFO(isa_name(isa));
    CHECK(std::equal(aligned.begin(), aligned.end(), shifted.begin() + 1));
  }
}

TEST_CASE("conv2d: a null bias adds nothing and a null db is skipped", "[conv2d_kernels]") {
  const ConvShape shape{2, 5, 5, 3, 4, 3, 3, 1, 1};
  ConvProblem<float> f(shape);
  conv2d_forward(shape, f.x.data(), f.w.data(), nullptr, f.y.data());
  const std::vector<float> zero(f.bias.size(), 0.0f);
  std::vector<float> y(f.y.size());
  conv2d_forward(shape, f.x.data(), f.w.data(), zero.data(), y.data());
  CHECK(y == f.y);
  std::vector<float> dw = f.dw;
  conv2d_backward_weights(shape, f.x.data(), f.dy.data(), dw.data(), nullptr);
  conv2d_backward_weights(shape, f.x.data(), f.dy.data(), f.dw.data(), f.db.data());
  CHECK(dw == f.dw);
}

TEST_CASE("conv2d: bit-identical for any number of threads", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const ConvShape& shape :
         {ConvShape{6, 16, 16, 3, 20, 3, 3, 1, 1}, ConvShape{3, 12, 12, 24, 40, 3, 3, 2, 1},
          ConvShape{16, 16, 16, 2, 8, 3, 3, 1, 1}, ConvShape{9, 16, 16, 20, 20, 3, 3, 1, 1, 20}}) {
      set_thread_count(1);
      const ConvProblem<float> one = run_kernels(shape);
      for (const int threads : {2, 3}) {
        set_thread_count(threads);
        const ConvProblem<float> many = run_kernels(shape);
        INFO(shape.str() << " on " << isa_name(isa) << ", " << threads << " threads");
        CHECK(many.y == one.y);
        CHECK(many.dx == one.dx);
        CHECK(many.dw == one.dw);
        CHECK(many.db == one.db);
      }
    }
  }
}

TEST_CASE("conv2d: bit-identical whatever the caches", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    // By rows, in bands of one row to all images; a product of several slices of columns.
    for (const ConvShape& shape :
         {ConvShape{3, 40, 60, 24, 40, 3, 3, 1, 1}, ConvShape{2, 12, 12, 64, 450, 3, 3, 1, 1}}) {
      set_cache_sizes({});
      const ConvProblem<float> unknown = run_kernels(shape);
      for (const int64_t bytes : {int64_t{1}, int64_t{64} << 20}) {
        set_cache_sizes({bytes, bytes});
        const ConvProblem<float> other = run_kernels(shape);
        INFO(shape.str() << " on " << isa_name(isa) << ", " << bytes << " bytes");
        CHECK(other.y == unknown.y);
        CHECK(other.dx == unknown.dx);
        CHECK(other.dw == unknown.dw);
      }
    }
  }
}

TEST_CASE("conv2d: an image's result does not depend on the batch", "[conv2d_kernels]") {
  const RestoreSettings restore;
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const int64_t channels : {3, 30}) {
      ConvShape shape{9, 10, 10, channels, 34, 3, 3, 1, 1};
      const ConvProblem<float> batch = run_kernels(shape);
      shape.N = 1;
      const ConvProblem<float> single = run_kernels(shape);
      CHECK(std::equal(single.y.begin(), single.y.end(), batch.y.begin()));
      CHECK(std::equal(single.dx.begin(), single.dx.end(), batch.dx.begin()));
    }
  }
}

TEST_CASE("conv2d: the reference gradients match finite differences", "[conv2d_kernels]") {
  for (const ConvShape& shape :
       {ConvShape{2, 5, 4, 2, 3, 3, 3, 1, 1}, ConvShape{1, 7, 6, 2, 2, 3, 2, 2, 1}}) {
    ConvProblem<double> d = run_reference(shape);
    d.dw.assign(d.dw.size(), 0.0);
    conv2d_backward_weights_ref<double>(shape, d.x.data(), d.dy.data(), d.dw.data(), nullptr);
    const auto loss = [&] {
      conv2d_forward_ref(shape, d.x.data(), d.w.data(), d.bias.data(), d.y.data());
      double sum = 0.0;
      for (std::size_t i = 0; i < d.y.size(); ++i) sum += d.y[i] * d.dy[i];
      return sum;
    };
    // The loss is linear in each argument, so a central difference is exact up to rounding.
    const auto slope = [&](double& value) {
      const double saved = value;
      value = saved + 0.5;
      const double up = loss();
      value = saved - 0.5;
      const double down = loss();
      value = saved;
      return up - down;
    };
    for (std::size_t i = 0; i < d.x.size(); ++i) {
      CHECK(slope(d.x[i]) == Approx(d.dx[i]).margin(1e-12));
    }
    for (std::size_t i = 0; i < d.w.size(); ++i) {
      CHECK(slope(d.w[i]) == Approx(d.dw[i]).margin(1e-12));
    }
  }
}

TEST_CASE("conv2d: an impossible shape is an error", "[conv2d_kernels]") {
  const ConvShape shape{1, 2, 2, 1, 1, 5, 5, 1, 1};
  CHECK_THROWS_AS(conv2d_forward(shape, nullptr, nullptr, nullptr, nullptr), Error);
}
