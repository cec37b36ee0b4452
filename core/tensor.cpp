#include "core/tensor.hpp"

namespace intandem {

Shape::Shape(std::initializer_list<std::int64_t> extents) {
  INTANDEM_CHECK(extents.size() <= kMaxRank, "a shape has at most four extents");
  for (const std::int64_t extent : extents) push_back(extent);
}

void Shape::push_back(std::int64_t extent) {
  INTANDEM_CHECK(rank_ < kMaxRank, "a shape has at most four extents");
  INTANDEM_CHECK(extent >= 0, "negative extent " + std::to_string(extent));
  extents_[static_cast<std::size_t>(rank_++)] = extent;
}

std::int64_t Shape::size() const {
  std::int64_t n = 1;
  for (int axis = 0; axis < rank_; ++axis) n *= (*this)[axis];
  return n;
}

std::string Shape::str() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string((*this)[axis]);
  }
  return text + "]";
}

Shape Shape::with_outer(std::int64_t extent) const {
  INTANDEM_CHECK(rank_ > 0, "a scalar shape has no outermost extent");
  Shape shape = *this;
  shape.extents_[0] = extent;
  return shape;
}

void check_same_shape(const Shape& actual, const Shape& expected, const char* what) {
  INTANDEM_CHECK(actual == expected,
                 std::string(what) + " has shape " + actual.str() + ", expected " + expected.str());
}

}  // namespace intandem
