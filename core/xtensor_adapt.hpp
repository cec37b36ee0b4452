// xtensor views of tensors, for host-side expressions (analysis, tests, reports); kernels use raw
// pointers. Include only in .cpp files: xtensor is a heavy header.
#pragma once

#include <cstddef>
#include <vector>
#include <xtensor/xadapt.hpp>
#include <xtensor/xnoalias.hpp>

#include "core/tensor.hpp"

namespace intandem {

inline std::vector<std::size_t> xtensor_shape(const Shape& shape) {
  std::vector<std::size_t> extents;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    extents.push_back(static_cast<std::size_t>(shape[axis]));
  }
  return extents;
}

/// Row-major view of the tensor's elements, same shape; writing through it writes the tensor. The
/// tensor must outlive the view.
template <class T>
auto adapt(Tensor<T>& tensor) {
  return xt::adapt(tensor.data(), static_cast<std::size_t>(tensor.size()), xt::no_ownership(),
                   xtensor_shape(tensor.shape()));
}

/// As above, read-only.
template <class T>
auto adapt(const Tensor<T>& tensor) {
  return xt::adapt(tensor.data(), static_cast<std::size_t>(tensor.size()), xt::no_ownership(),
                   xtensor_shape(tensor.shape()));
}

/// Evaluates an expression of rank ≤ 4 into a new tensor.
template <class T, class E>
Tensor<T> to_tensor(const xt::xexpression<E>& expression) {
  const E& e = expression.derived_cast();
  Shape shape;
  for (const auto extent : e.shape()) shape.push_back(static_cast<std::int64_t>(extent));
  Tensor<T> result(shape);
  auto view = adapt(result);
  xt::noalias(view) = e;
  return result;
}

}  // namespace intandem
