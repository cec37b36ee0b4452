// Values and gradients of linear layers, elementwise operations and losses against
// double-precision references.
#include "nn/ops.hpp"

#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::Array;
using reference::Arrays;
using reference::check_gradients;
using reference::random_tensor;
using reference::Vars;

TEST_CASE("linear has the gradients of its definition", "[nn][gradient]") {
  check_gradients(
      {random_tensor({5, 7}, 1), random_tensor({3, 7}, 2), random_tensor({3}, 3)},
      [](Tape& t, const Vars& v) { return linear(t, v[0], v[1], v[2]); },
      [](const Arrays& a) { return reference::linear(a[0], a[1], &a[2]); });
  // An image is flattened on the way in.
  check_gradients(
      {random_tensor({2, 3, 2, 4}, 1), random_tensor({5, 24}, 2)},
      [](Tape& t, const Vars& v) { return linear(t, v[0], v[1], nullptr); },
      [](const Arrays& a) { return reference::linear(a[0], a[1], nullptr); });
}

TEST_CASE("elementwise operations have the gradients of their definitions", "[nn][gradient]") {
  const TensorF x = random_tensor({3, 7}, 1);
  check_gradients(
      {x}, [](Tape& t, const Vars& v) { return relu(t, v[0]); },
      [](const Arrays& a) { return reference::relu(a[0]); });
  check_gradients(
      {x, random_tensor({3, 7}, 2)}, [](Tape& t, const Vars& v) { return add(t, v[0], v[1]); },
      [](const Arrays& a) {
        Array y = a[0];
        for (std::int64_t i = 0; i < y.size(); ++i) y[i] += a[1][i];
        return y;
      });
  check_gradients(
      {x, random_tensor({1}, 3)}, [](Tape& t, const Vars& v) { return scale(t, v[0], v[1]); },
      [](const Arrays& a) {
        Array y = a[0];
        for (double& value : y.v) value *= a[1][0];
        return y;
      });
  check_gradients(
      {random_tensor({2, 2, 2, 3}, 4)}, [](Tape& t, const Vars& v) { return flatten(t, v[0]); },
      [](const Arrays& a) {
        Array y({2, 12});
        y.v = a[0].v;
        return y;
      });
  check_gradients(
      {random_tensor({1}, 5), random_tensor({1}, 6)},
      [](Tape& t, const Vars& v) {
        return weighted_sum(t, v, {0.25f, -3.0f});
      },
      [](const Arrays& a) { return reference::scalar(0.25 * a[0][0] - 3.0 * a[1][0]); });
}

TEST_CASE("losses have the gradients of their definitions", "[nn][gradient]") {
  const TensorF z = random_tensor({4, 6}, 1), target = random_tensor({4, 6}, 2);
  const std::vector<std::int32_t> labels = {5, 0, 3, 3};
  for (const float smoothing : {0.0f, 0.125f}) {
    check_gradients(
        {z}, [&](Tape& t, const Vars& v) { return cross_entropy(t, v[0], labels, smoothing); },
        [&](const Arrays& a) {
          const Array log_p = reference::log_softmax(a[0], 1.0);
          double sum = 0.0;
          for (std::int64_t i = 0; i < log_p.size(); ++i) {
            const bool hit = labels[static_cast<std::size_t>(i / 6)] == i % 6;
            sum -= ((hit ? 1.0 - smoothing : 0.0) + smoothing / 6.0) * log_p[i];
          }
          return reference::scalar(sum / 4.0);
        });
  }
  for (const float tau : {1.0f, 2.5f}) {
    check_gradients(
        {z}, [&](Tape& t, const Vars& v) { return kl_divergence(t, v[0], target, tau); },
        [&](const Arrays& a) {
          const Array p = reference::log_softmax(Array(target), tau);
          const Array q = reference::log_softmax(a[0], tau);
          double sum = 0.0;
          for (std::int64_t i = 0; i < p.size(); ++i) {
            sum += std::exp(p[i]) * (p[i] - q[i]);
          }
          return reference::scalar(tau * tau * sum / 4.0);
        });
  }
  check_gradients(
      {z}, [&](Tape& t, const Vars& v) { return mse(t, v[0], target); },
      [&](const Arrays& a) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < a[0].size(); ++i) {
          sum += (a[0][i] - target[i]) * (a[0][i] - target[i]);
        }
        return reference::scalar(sum / 24.0);
      });
}
