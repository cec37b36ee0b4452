#include <catch2/catch.hpp>
#include <cstdint>

#include "core/tensor.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;

TEST_CASE("shapes: size, text, comparison", "[core][tensor]") {
  CHECK(Shape().size() == 1);
  CHECK(Shape().str() == "[]");
  const Shape shape{2, 28, 28, 3};
  CHECK(shape.rank() == 4);
  CHECK(shape.size() == 2 * 28 * 28 * 3);
  CHECK(shape.str() == "[2, 28, 28, 3]");
  CHECK(shape == Shape{2, 28, 28, 3});
  CHECK_FALSE(shape == Shape{2, 28, 28, 1});
  // Same extents, different rank: unused extents are zero and must not decide.
  CHECK_FALSE(Shape{4} == Shape{4, 0});
  CHECK(Shape{0, 5}.size() == 0);
  CHECK(shape.with_outer(7) == Shape{7, 28, 28, 3});
  CHECK(shape == Shape{2, 28, 28, 3});
}

TEST_CASE("shapes refuse a fifth extent, negative extents and a rank-0 outer extent",
          "[core][tensor]") {
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5}), Error);
  CHECK_THROWS_AS((Shape{1, -2}), Error);
  CHECK_THROWS_AS(Shape().with_outer(3), Error);
}

TEST_CASE("a tensor is a handle, a clone is a copy", "[core][tensor]") {
  TensorF a({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) a[i] = static_cast<float>(i);
  TensorF shared = a;
  const TensorF copy = a.clone();
  shared[4] = -1.0f;
  CHECK(a[4] == -1.0f);
  CHECK(copy[4] == 4.0f);
  CHECK(copy.shape() == a.shape());
  CHECK(a.size_bytes() == 24);
}

TEST_CASE("zeros, full and fill reach every element", "[core][tensor]") {
  // 65 elements: one more than a cache line of bytes.
  for (const std::uint8_t byte : TensorU8::zeros({65})) REQUIRE(byte == 0);
  TensorS32 t = TensorS32::full({5, 13}, -7);
  for (const std::int32_t value : t) REQUIRE(value == -7);
  t.fill(3);
  for (const std::int32_t value : t) REQUIRE(value == 3);
}

TEST_CASE("a default tensor and a tensor with a zero extent are empty", "[core][tensor]") {
  const TensorF none;
  CHECK(none.empty());
  CHECK(none.size() == 0);
  CHECK(none.clone().empty());
  CHECK(none.begin() == none.end());
  const TensorF zero = TensorF::zeros({3, 0, 2});
  CHECK(zero.empty());
  CHECK(zero.clone().shape() == Shape{3, 0, 2});
}

TEST_CASE("reshaped shares the buffer and keeps the size", "[core][tensor]") {
  TensorS8 a = TensorS8::full({4, 6}, 1);
  TensorS8 b = a.reshaped({2, 3, 4});
  b[23] = 9;
  CHECK(a[23] == 9);
  CHECK(b.shape() == Shape{2, 3, 4});
  check_error([&] { a.reshaped({5, 5}); }, {"[4, 6]", "[5, 5]"});
}

TEST_CASE("reinterpreted shows the same bytes as another type", "[core][tensor]") {
  TensorS32 a({2});
  a[0] = 0x04030201;
  a[1] = -1;
  TensorU8 bytes = a.reinterpreted<std::uint8_t>({8});
  CHECK(bytes[0] == 1);
  CHECK(bytes[3] == 4);
  CHECK(bytes[7] == 255);
  bytes[7] = 0x7f;
  CHECK(a[1] == 0x7fffffff);
  CHECK_THROWS_AS(a.reinterpreted<std::uint8_t>({7}), Error);
  CHECK_THROWS_AS(TensorF().reinterpreted<std::uint8_t>({4}), Error);
}

TEST_CASE("check_same_shape names the operand and both shapes", "[core][tensor]") {
  check_same_shape({1, 2}, {1, 2}, "bias");
  check_error([] { check_same_shape({1, 2}, {2, 1}, "bias"); }, {"bias", "[1, 2]", "[2, 1]"});
}
