// Dense tensors: a shape and a reference-counted, 64-byte aligned buffer.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>

#include "core/error.hpp"
#include "core/memory.hpp"

namespace intandem {

/// Up to four extents, outermost first. Activations are NHWC, convolution weights [K][R][S][C]
/// (output channel, kernel row, kernel column, input channel), linear weights [K][C].
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  /// Product of the extents; 1 for rank 0.
  std::int64_t size() const;
  /// "[2, 28, 28, 1]"
  std::string str() const;
  /// This shape with the outermost extent replaced.
  Shape with_outer(std::int64_t extent) const;
  void push_back(std::int64_t extent);

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.extents_ == b.extents_;
  }

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

/// Contiguous row-major tensor of T (float, uint8_t, int8_t, int32_t; double in tests).
/// A Tensor is a handle: copying it shares the buffer, clone() copies the elements.
template <class T>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Tensor() = default;
  /// Elements are unspecified; use zeros() or fill().
  explicit Tensor(const Shape& shape)
      : shape_(shape),
        buffer_(allocate_aligned(static_cast<std::size_t>(shape.size()) * sizeof(T))) {}

  static Tensor zeros(const Shape& shape) {
    Tensor t(shape);
    if (t.size() > 0) std::memset(t.data(), 0, static_cast<std::size_t>(t.size_bytes()));
    return t;
  }
  static Tensor full(const Shape& shape, T value) {
    Tensor t(shape);
    t.fill(value);
    return t;
  }

  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t dim(int axis) const { return shape_[axis]; }
  std::int64_t size() const { return buffer_ ? shape_.size() : 0; }
  std::int64_t size_bytes() const { return size() * static_cast<std::int64_t>(sizeof(T)); }
  bool empty() const { return size() == 0; }
  /// No other handle shares the buffer.
  bool is_sole_owner() const { return buffer_.use_count() == 1; }

  T* data() { return reinterpret_cast<T*>(buffer_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(buffer_.get()); }
  T& operator[](std::int64_t i) { return data()[i]; }
  const T& operator[](std::int64_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }

  void fill(T value) { std::fill(begin(), end(), value); }

  Tensor clone() const {
    if (!buffer_) return {};
    Tensor t(shape_);
    if (size() > 0) std::memcpy(t.data(), data(), static_cast<std::size_t>(size_bytes()));
    return t;
  }

  /// The same elements under another shape of the same size; shares the buffer.
  Tensor reshaped(const Shape& shape) const {
    INTANDEM_CHECK(shape.size() == shape_.size(),
                   "cannot reshape " + shape_.str() + " to " + shape.str());
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }

  /// The first `outer` entries of the outermost axis; shares the buffer.
  Tensor prefix(std::int64_t outer) const {
    INTANDEM_CHECK(rank() > 0 && outer >= 0 && outer <= dim(0),
                   "prefix of " + std::to_string(outer) + " of " + shape_.str());
    Tensor t = *this;
    t.shape_ = shape_.with_outer(outer);
    return t;
  }

  /// The same bytes as elements of another type; shares the buffer. The sizes in bytes must agree.
  template <class U>
  Tensor<U> reinterpreted(const Shape& shape) const {
    INTANDEM_CHECK(shape.size() * static_cast<std::int64_t>(sizeof(U)) == size_bytes(),
                   "cannot read " + shape_.str() + " as " + shape.str() + " of another type");
    Tensor<U> t;
    t.shape_ = shape;
    t.buffer_ = buffer_;
    return t;
  }

 private:
  template <class U>
  friend class Tensor;

  Shape shape_;
  std::shared_ptr<std::byte> buffer_;
};

using TensorF = Tensor<float>;
using TensorU8 = Tensor<std::uint8_t>;
using TensorS8 = Tensor<std::int8_t>;
using TensorS32 = Tensor<std::int32_t>;

/// Throws an Error that prints both shapes unless they are equal; `what` names the operand.
void check_same_shape(const Shape& actual, const Shape& expected, const char* what);

}  // namespace intandem
