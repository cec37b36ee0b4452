#include <catch2/catch.hpp>
#include <xtensor/xmath.hpp>

#include "core/xtensor_adapt.hpp"

using namespace intandem;

TEST_CASE("an xtensor view reads and writes the tensor", "[core][xtensor]") {
  TensorF t({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) t[i] = static_cast<float>(i);
  auto view = adapt(t);
  CHECK(view(1, 2) == 5.0f);
  view(0, 1) = -8.0f;
  CHECK(t[1] == -8.0f);
  view *= 2.0f;
  CHECK(t[5] == 10.0f);

  const TensorF& constant = t;
  CHECK(xt::sum(adapt(constant))() == 2.0f * (0 - 8 + 2 + 3 + 4 + 5));
}

TEST_CASE("an expression becomes a tensor of its shape", "[core][xtensor]") {
  TensorF t({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) t[i] = static_cast<float>(i);
  const TensorF columns = to_tensor<float>(xt::sum(adapt(t), {0}));
  CHECK(columns.shape() == Shape{3});
  CHECK(columns[0] == 3.0f);
  CHECK(columns[2] == 7.0f);
  const TensorF shifted = to_tensor<float>(xt::transpose(adapt(t)) + 1.0f);
  CHECK(shifted.shape() == Shape{3, 2});
  CHECK(shifted[1] == 4.0f);
}
