// Every instruction set against the reference kernels, on widths around the vector lengths.
#include <cstring>

#include "core/dispatch.hpp"
#include "nn/elementwise/kernels.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::random_tensor;

namespace {

constexpr float kGuard = 1234.5f;

// n unspecified values and 16 guards behind them.
struct Guarded {
  explicit Guarded(std::int64_t count) : values(TensorF::full({count + 16}, kGuard)), n(count) {}
  float* data() { return values.data(); }
  void check() const {
    for (std::int64_t i = n; i < n + 16; ++i) REQUIRE(values[i] == kGuard);
  }
  TensorF values;
  std::int64_t n;
};

void require_close(const float* a, const float* b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    INFO("element " << i);
    REQUIRE(std::abs(a[i] - b[i]) <= 2e-6f * (1.0f + std::abs(b[i])));
  }
}

struct Sums {
  explicit Sums(std::int64_t C) : first(static_cast<std::size_t>(C)), second(first) {}
  std::vector<double> first, second;
  void require_close(const Sums& other) const {
    for (std::size_t c = 0; c < first.size(); ++c) {
      REQUIRE(first[c] == Approx(other.first[c]).epsilon(1e-12).margin(1e-10));
      REQUIRE(second[c] == Approx(other.second[c]).epsilon(1e-12).margin(1e-10));
    }
  }
};

std::vector<const ElementwiseKernels*> kernel_tables() {
  std::vector<const ElementwiseKernels*> tables = {&kElementwiseRef};
#if defined(__x86_64__)
  if (isa_includes(detected_isa(), Isa::avx2)) tables.push_back(&kElementwiseAvx2);
  if (isa_includes(detected_isa(), Isa::avx512)) tables.push_back(&kElementwiseAvx512);
#endif
  return tables;
}

}  // namespace

TEST_CASE("affine kernels agree with the reference", "[nn][kernel]") {
  const ElementwiseKernels& ref = kElementwiseRef;
  for (const ElementwiseKernels* k : kernel_tables()) {
    for (const std::int64_t C : {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100}) {
      const std::int64_t rows = 5, n = rows * C;
      TensorF x = random_tensor({rows, C}, 1);
      x[n / 2] = 0.0f;
      const TensorF dy = random_tensor({rows, C}, 2);
      const TensorF a = random_tensor(Shape{C}, 3), q = random_tensor(Shape{C}, 6);
      TensorF b = random_tensor(Shape{C}, 4);
      b[(n / 2) % C] = 0.0f;  // a·x + b is exactly 0 there: the ReLU is closed
      Sums expected(C), sums(C);
      ref.moments(rows, C, x.data(), expected.first.data(), expected.second.data());
      k->moments(rows, C, x.data(), sums.first.data(), sums.second.data());
      sums.require_close(expected);
      for (const bool relu : {false, true}) {
        INFO("C " << C << " relu " << relu);
        Guarded y(n), z(n);
        ref.affine(rows, C, x.data(), a.data(), b.data(), relu, z.data());
        k->affine(rows, C, x.data(), a.data(), b.data(), relu, y.data());
        require_close(y.data(), z.data(), n);
        y.check();
        ref.affine_moments(rows, C, x.data(), dy.data(), a.data(), b.data(), relu,
                           expected.first.data(), expected.second.data());
        k->affine_moments(rows, C, x.data(), dy.data(), a.data(), b.data(), relu, sums.first.data(),
                          sums.second.data());
        sums.require_close(expected);
        ref.affine_backward(rows, C, x.data(), dy.data(), a.data(), b.data(), relu, a.data(),
                            q.data(), b.data(), z.data());
        k->affine_backward(rows, C, x.data(), dy.data(), a.data(), b.data(), relu, a.data(),
                           q.data(), b.data(), y.data());
        require_close(y.data(), z.data(), n);
        y.check();
      }
    }
  }
}

TEST_CASE("pooling kernels equal the reference to the bit", "[nn][kernel]") {
  const ElementwiseKernels& ref = kElementwiseRef;
  for (const ElementwiseKernels* k : kernel_tables()) {
    for (const std::int64_t C : {1, 5, 8, 16, 17, 40}) {
      for (const auto& [kernel, stride] :
           {std::pair<std::int64_t, std::int64_t>{2, 2}, {3, 2}, {3, 1}, {2, 3}, {15, 1}}) {
        const std::int64_t H = 17, W = 16;
        const PoolShape shape{
            H, W, C, (H - kernel) / stride + 1, (W - kernel) / stride + 1, kernel, stride};
        INFO("C " << C << " kernel " << kernel << " stride " << stride);
        TensorF x = random_tensor({H, W, C}, 1);
        for (float& value : x) value = std::round(value);  // many ties
        const std::int64_t row = shape.Q * C, image = shape.P * row;
        Guarded y(row), z(row);
        TensorU8 argmax({image + 16}), expected({image});
        argmax.fill(77);
        for (std::int64_t p = 0; p < shape.P; ++p) {
          const float* from = x.data() + p * stride * W * C;
          ref.max_pool_row(shape, from, z.data(), expected.data() + p * row);
          k->max_pool_row(shape, from, y.data(), argmax.data() + p * row);
          REQUIRE(std::memcmp(y.data(), z.data(), static_cast<std::size_t>(row) * 4) == 0);
          k->max_pool_row(shape, from, y.data(), nullptr);
          REQUIRE(std::memcmp(y.data(), z.data(), static_cast<std::size_t>(row) * 4) == 0);
          y.check();
        }
        REQUIRE(std::memcmp(argmax.data(), expected.data(), static_cast<std::size_t>(image)) == 0);
        for (std::int64_t i = image; i < image + 16; ++i) REQUIRE(argmax[i] == 77);
        const TensorF dy = random_tensor(Shape{image}, 2);
        Guarded dx(W * C), dz(W * C);
        for (std::int64_t h = 0; h < H; ++h) {
          ref.max_pool_backward_row(shape, h, dy.data(), expected.data(), dz.data());
          k->max_pool_backward_row(shape, h, dy.data(), expected.data(), dx.data());
          require_close(dx.data(), dz.data(), W * C);
          dx.check();
        }
      }
    }
  }
}

TEST_CASE("pooling with an affine map agrees with the reference", "[nn][kernel]") {
  const ElementwiseKernels& ref = kElementwiseRef;
  for (const ElementwiseKernels* k : kernel_tables()) {
    for (const std::int64_t C : {1, 5, 8, 16, 17, 40}) {
      for (const auto& [kernel, stride] :
           {std::pair<std::int64_t, std::int64_t>{2, 2}, {3, 2}, {4, 3}}) {
        const std::int64_t H = 9, W = 8;
        const PoolShape shape{
            H, W, C, (H - kernel) / stride + 1, (W - kernel) / stride + 1, kernel, stride};
        // Small integers: a fused multiply-add rounds as two operations do, and ties are met.
        const auto integers = [](const Shape& s, std::uint64_t seed) {
          TensorF t = random_tensor(s, seed);
          for (float& value : t) value = std::round(2.0f * value);
          return t;
        };
        const TensorF x = integers({H, W, C}, 1), a = integers(Shape{C}, 3),
                      b = integers(Shape{C}, 4), q = integers(Shape{C}, 6);
        const std::int64_t row = shape.Q * C, image = shape.P * row;
        TensorU8 argmax(Shape{image}), expected(Shape{image});
        for (const bool relu : {false, true}) {
          INFO("C " << C << " kernel " << kernel << " stride " << stride << " relu " << relu);
          Guarded y(row), z(row), from(row), from_ref(row);
          for (std::int64_t p = 0; p < shape.P; ++p) {
            const float* at = x.data() + p * stride * W * C;
            ref.affine_pool_row(shape, at, a.data(), b.data(), relu, z.data(), from_ref.data(),
                                expected.data() + p * row);
            k->affine_pool_row(shape, at, a.data(), b.data(), relu, y.data(), from.data(),
                               argmax.data() + p * row);
            const auto bytes = static_cast<std::size_t>(row) * 4;
            REQUIRE(std::memcmp(from.data(), from_ref.data(), bytes) == 0);
            for (std::int64_t i = 0; i < row; ++i) REQUIRE(y.values[i] == z.values[i]);
            y.check();
            from.check();
          }
          REQUIRE(std::memcmp(argmax.data(), expected.data(), static_cast<std::size_t>(image)) ==
                  0);
          const TensorF dy = integers(Shape{image}, 2);
          Guarded dx(W * C), dz(W * C);
          for (std::int64_t h = 0; h < H; ++h) {
            const float* at = x.data() + h * W * C;
            ref.affine_pool_backward_row(shape, h, dy.data(), expected.data(), at, a.data(),
                                         b.data(), relu, a.data(), q.data(), b.data(), dz.data());
            k->affine_pool_backward_row(shape, h, dy.data(), expected.data(), at, a.data(),
                                        b.data(), relu, a.data(), q.data(), b.data(), dx.data());
            for (std::int64_t i = 0; i < W * C; ++i) REQUIRE(dx.values[i] == dz.values[i]);
            dx.check();
          }
        }
      }
    }
  }
}

TEST_CASE("the SGD kernels agree with the reference", "[nn][kernel]") {
  for (const ElementwiseKernels* k : kernel_tables()) {
    for (const std::int64_t n : {1, 7, 8, 16, 37}) {
      for (const bool nesterov : {false, true}) {
        const SgdCoefficients c{0.1f, 0.9f, 0.01f, 0.5f, nesterov};
        const TensorF g = random_tensor(Shape{n}, 1);
        Guarded v(n), w(n), v_ref(n), w_ref(n);
        for (std::int64_t i = 0; i < n; ++i) {
          v.values[i] = v_ref.values[i] = g[n - 1 - i];
          w.values[i] = w_ref.values[i] = 0.5f * g[i] + 1.0f;
        }
        k->sgd(n, c, g.data(), v.data(), w.data());
        kElementwiseRef.sgd(n, c, g.data(), v_ref.data(), w_ref.data());
        require_close(v.data(), v_ref.data(), n);
        require_close(w.data(), w_ref.data(), n);
        v.check();
        w.check();
      }
    }
  }
}
