// Batch norm and input normalization folded into weights (Q8, Q12).
#include <catch2/catch.hpp>
#include <cmath>

#include "core/container.hpp"
#include "nn/conv/conv2d.hpp"
#include "quant/fold.hpp"
#include "tests/quant/tiny.hpp"

using namespace intandem;

TEST_CASE("folded weights give the teacher's post-BN activation") {
  FloatNetwork teacher = tiny::teacher(4);
  const Dataset data = tiny::images(3, 1);
  const Normalization norm = tiny::normalization();
  Tape tape;
  std::vector<Var> values(static_cast<std::size_t>(teacher.unit_count()));
  const Var z = teacher.preactivation(tape, 0, tape.constant(normalize(data.images, norm)), values,
                                      FloatNetwork::Mode{});

  // With the input normalization folded in, the operands are pixels minus zero point.
  const FoldedUnit folded = fold_batch_norm(teacher, 0, &norm);
  TensorF centered(data.images.shape());
  for (std::int64_t i = 0; i < centered.size(); ++i) {
    centered[i] =
        static_cast<float>(data.images[i] - norm.zero_point[static_cast<std::size_t>(i % 2)]);
  }
  ConvShape shape = teacher.geometry()[0].shape;
  shape.N = 3;
  TensorF y({3, shape.P(), shape.Q(), shape.K});
  conv2d_forward(shape, centered.data(), folded.weight.data(), folded.bias.data(), y.data());
  for (std::int64_t i = 0; i < y.size(); ++i) CHECK(y[i] == Approx(z->value[i]).margin(1e-4));
}

TEST_CASE("what rounding the mean left goes into the bias, but for the border") {
  FloatNetwork teacher = tiny::teacher(4);
  const Dataset data = tiny::images(3, 1);
  Normalization norm = tiny::normalization();
  norm.offset = {0.3f, -0.2f};
  Container file("teacher");
  store_normalization(norm, file);
  CHECK(load_normalization(file, 2).offset == norm.offset);
  Tape tape;
  std::vector<Var> values(static_cast<std::size_t>(teacher.unit_count()));
  const Var z = teacher.preactivation(tape, 0, tape.constant(normalize(data.images, norm)), values,
                                      FloatNetwork::Mode{});
  const FoldedUnit folded = fold_batch_norm(teacher, 0, &norm);
  norm.offset.clear();
  TensorF centered = normalize(data.images, norm);
  for (std::int64_t i = 0; i < centered.size(); ++i) {
    centered[i] *= norm.std_dev[static_cast<std::size_t>(i % 2)];
  }
  ConvShape shape = teacher.geometry()[0].shape;
  shape.N = 3;
  TensorF y({3, shape.P(), shape.Q(), shape.K});
  conv2d_forward(shape, centered.data(), folded.weight.data(), folded.bias.data(), y.data());
  REQUIRE(shape.pad == 1);
  double border = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::int64_t p = i / shape.K / shape.Q() % shape.P(), q = i / shape.K % shape.Q();
    if (p == 0 || q == 0 || p + 1 == shape.P() || q + 1 == shape.Q()) {
      border = std::max(border, std::abs(static_cast<double>(y[i] - z->value[i])));
    } else {
      CHECK(y[i] == Approx(z->value[i]).margin(1e-4));
    }
  }
  CHECK(border > 1e-3);
}

TEST_CASE("a unit without batch norm keeps weight and bias") {
  FloatNetwork teacher = tiny::teacher(4);
  const int last = teacher.unit_count() - 1;
  teacher.unit(last).bias.value[1] = 2.5f;
  const FoldedUnit folded = fold_batch_norm(teacher, last, nullptr);
  for (std::int64_t i = 0; i < folded.weight.size(); ++i) {
    CHECK(folded.weight[i] == teacher.unit(last).weight.value[i]);
  }
  CHECK(folded.bias[1] == 2.5f);
}

TEST_CASE("units without weights and wrong channel counts are refused") {
  FloatNetwork teacher = tiny::teacher(4);
  CHECK_THROWS_AS(fold_batch_norm(teacher, 3, nullptr), Error);
  const Normalization five{{1, 2, 3, 4, 5}, {1, 1, 1, 1, 1}};
  CHECK_THROWS_AS(fold_batch_norm(teacher, 0, &five), Error);
}
