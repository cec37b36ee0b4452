// Values and gradients of every operation against double-precision references.
#include "nn/ops.hpp"

#include "nn/conv2d_winograd.hpp"
#include "tests/float_isas.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::Array;
using reference::check_gradients;
using reference::random_tensor;

namespace {

using Vars = std::vector<Var>;
using Arrays = std::vector<Array>;

}  // namespace

TEST_CASE("conv2d has the gradients of its definition", "[nn][gradient]") {
  struct Case {
    std::int64_t N, H, W, C, K, R, S, stride, pad;
    std::int64_t groups = 1;
  };
  const Case cases[] = {
      {1, 1, 1, 1, 1, 1, 1, 1, 0},
      {2, 5, 4, 3, 4, 3, 3, 1, 1},
      {1, 7, 7, 2, 3, 3, 3, 2, 1},
      {2, 6, 6, 1, 2, 5, 5, 1, 2},
      {1, 9, 8, 3, 2, 4, 3, 3, 2},
      {3, 4, 4, 2, 17, 1, 1, 1, 0},
      // in groups: three of different widths, depthwise, two outputs per channel
      {2, 5, 4, 6, 9, 3, 3, 1, 1, 3},
      {2, 6, 5, 9, 9, 3, 3, 2, 1, 9},
      {1, 5, 5, 3, 6, 3, 3, 1, 1, 3},
  };
  for (const Case& c : cases) {
    const TensorF x = random_tensor({c.N, c.H, c.W, c.C}, 1);
    const TensorF w = random_tensor({c.K, c.R, c.S, c.C / c.groups}, 2);
    const TensorF b = random_tensor(Shape{c.K}, 3);
    INFO("C " << c.C << " K " << c.K << " R " << c.R << " stride " << c.stride);
    check_gradients(
        {x, w, b},
        [&](Tape& t, const Vars& v) {
          return conv2d(t, v[0], v[1], v[2], c.stride, c.pad, c.groups);
        },
        [&](const Arrays& a) { return reference::conv2d(a[0], a[1], &a[2], c.stride, c.pad); });
    check_gradients(
        {x, w},
        [&](Tape& t, const Vars& v) {
          return conv2d(t, v[0], v[1], nullptr, c.stride, c.pad, c.groups);
        },
        [&](const Arrays& a) { return reference::conv2d(a[0], a[1], nullptr, c.stride, c.pad); });
  }
}

TEST_CASE("Winograd has the gradients of a convolution", "[nn][gradient][winograd]") {
  const RestoreSettings restore;
  // Whole tiles, tiles cut in both directions, every padding it admits.
  for (const ConvShape& s :
       {ConvShape{1, 8, 4, 2, 3, 3, 3, 1, 1}, ConvShape{2, 7, 6, 3, 2, 3, 3, 1, 0},
        ConvShape{1, 5, 6, 3, 5, 3, 3, 1, 2}}) {
    const TensorF x = random_tensor({s.N, s.H, s.W, s.C}, 1),
                  w = random_tensor({s.K, s.R, s.S, s.C}, 2), b = random_tensor(Shape{s.K}, 3);
    for (const Isa isa : available_isas()) {
      set_active_isa(isa);
      INFO(isa_name(isa) << " pad " << s.pad);
      check_gradients(
          {x, w},
          [&](Tape& t, const Vars& v) {
            TensorF y({s.N, s.P(), s.Q(), s.K});
            winograd_forward(s, v[0]->value.data(), v[1]->value.data(), b.data(), y.data());
            return t.record(std::move(y), v, [s, v](const Node& self) {
              TensorF dx(v[0]->value.shape()), dw = TensorF::zeros(v[1]->value.shape());
              winograd_backward_data(s, self.grad.data(), v[1]->value.data(), dx.data());
              winograd_backward_weights(s, v[0]->value.data(), self.grad.data(), dw.data());
              accumulate(v[0], std::move(dx));
              accumulate(v[1], std::move(dw));
            });
          },
          [&](const Arrays& a) {
            const Array bias(b);
            return reference::conv2d(a[0], a[1], &bias, s.stride, s.pad);
          });
    }
  }
}

TEST_CASE("conv2d uses Winograd where it is asked for and pays", "[nn][gradient]") {
  const TensorF x = random_tensor({32, 12, 12, 64}, 1), w = random_tensor({64, 3, 3, 64}, 2),
                b = random_tensor(Shape{64}, 3), target = random_tensor({32, 12, 12, 64}, 4);
  const auto results = [&](bool winograd) {
    Tape tape;
    const Var vx = tape.input(x), vw = tape.input(w), vb = tape.input(b);
    Var y;
    {
      const UseWinograd use(winograd);
      y = conv2d(tape, vx, vw, vb, 1, 1);
    }
    const TensorF value = y->value;
    tape.backward(mse(tape, y, target));
    return std::vector<TensorF>{value, vx->grad, vw->grad, vb->grad};
  };
  const std::vector<TensorF> direct = results(false), fast = results(true);
  for (std::size_t i = 0; i < direct.size(); ++i) {
    double largest = 0, difference = 0;
    for (std::int64_t e = 0; e < direct[i].size(); ++e) {
      largest = std::max(largest, std::abs(double{direct[i][e]}));
      difference = std::max(difference, std::abs(double{direct[i][e]} - fast[i][e]));
    }
    INFO("result " << i);
    CHECK(difference <= 1e-5 * largest);
    // Different roundings give it away.
    CHECK(difference > 0);
  }
}

TEST_CASE("conv2d with frozen operands", "[nn][gradient]") {
  const TensorF x = random_tensor({2, 4, 4, 2}, 1), w = random_tensor({3, 3, 3, 2}, 2),
                b = random_tensor({3}, 3);
  const auto forward = [](const Array& x_, const Array& w_, const Array& b_) {
    return reference::conv2d(x_, w_, &b_, 1, 1);
  };
  check_gradients(
      {x},
      [&](Tape& t, const Vars& v) { return conv2d(t, v[0], t.constant(w), t.constant(b), 1, 1); },
      [&](const Arrays& a) { return forward(a[0], Array(w), Array(b)); });
  check_gradients(
      {b},
      [&](Tape& t, const Vars& v) { return conv2d(t, t.constant(x), t.constant(w), v[0], 1, 1); },
      [&](const Arrays& a) { return forward(Array(x), Array(w), a[0]); });
}

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

TEST_CASE("batch_norm has the gradients of its definition", "[nn][gradient]") {
  // 19 channels: one full vector of every width and a remainder. An offset mean shows cancellation.
  for (const Shape& shape : {Shape{7, 19}, Shape{3, 2, 4, 5}, Shape{4, 3}}) {
    TensorF x = random_tensor(shape, 1);
    const Shape channels{shape[shape.rank() - 1]};
    for (float& value : x) value += 3.0f;
    const TensorF gamma = random_tensor(channels, 2), beta = random_tensor(channels, 3);
    for (const bool training : {true, false}) {
      for (const bool relu : {true, false}) {
        INFO(shape.str() << " training " << training << " relu " << relu);
        BatchNormState state;
        state.running_mean = random_tensor(channels, 4);
        state.running_var = TensorF::full(channels, 0.7f);
        const Array mean(state.running_mean), var(state.running_var);
        check_gradients(
            {x, gamma, beta},
            [&](Tape& t, const Vars& v) {
              return batch_norm(t, v[0], v[1], v[2], state, training, relu);
            },
            [&](const Arrays& a) {
              const auto batch = reference::channel_moments(a[0]);
              const Array y =
                  reference::normalize(a[0], a[1], a[2], training ? batch.first : mean.v,
                                       training ? batch.second : var.v, 1e-5);
              return relu ? reference::relu(y) : y;
            },
            1e-5, 5e-5);
      }
    }
  }
}

TEST_CASE("frozen batch_norm passes the gradient to its input alone", "[nn][gradient]") {
  const TensorF x = random_tensor({6, 5}, 1), gamma = random_tensor({5}, 2),
                beta = random_tensor({5}, 3);
  BatchNormState state;
  state.running_mean = random_tensor({5}, 4);
  state.running_var = TensorF::full({5}, 1.5f);
  for (const bool relu : {true, false}) {
    check_gradients(
        {x},
        [&](Tape& t, const Vars& v) {
          return batch_norm(t, v[0], t.constant(gamma), t.constant(beta), state, false, relu);
        },
        [&](const Arrays& a) {
          const Array y =
              reference::normalize(a[0], Array(gamma), Array(beta), Array(state.running_mean).v,
                                   Array(state.running_var).v, 1e-5);
          return relu ? reference::relu(y) : y;
        });
  }
}

TEST_CASE("max_pool and avg_pool have the gradients of their definitions", "[nn][gradient]") {
  struct Case {
    Shape x;
    std::int64_t kernel, stride;
  };
  const Case cases[] = {
      {{2, 4, 4, 3}, 2, 2},  {{1, 7, 7, 19}, 3, 2}, {{1, 5, 6, 16}, 2, 2},
      {{1, 6, 5, 33}, 3, 1}, {{1, 9, 9, 2}, 2, 3},  {{2, 4, 4, 5}, 4, 4},
  };
  for (const Case& c : cases) {
    INFO(c.x.str() << " kernel " << c.kernel << " stride " << c.stride);
    check_gradients(
        {random_tensor(c.x, 5)},
        [&](Tape& t, const Vars& v) { return max_pool(t, v[0], c.kernel, c.stride); },
        [&](const Arrays& a) { return reference::max_pool(a[0], c.kernel, c.stride); });
    check_gradients(
        {random_tensor(c.x, 6)},
        [&](Tape& t, const Vars& v) { return avg_pool(t, v[0], c.kernel, c.stride); },
        [&](const Arrays& a) { return reference::avg_pool(a[0], c.kernel, c.stride); });
  }
}

TEST_CASE("global_avg_pool is the mean over images of any size", "[nn][gradient]") {
  for (const Shape& shape : {Shape{2, 1, 1, 3}, Shape{2, 3, 5, 4}, Shape{1, 20, 17, 2}}) {
    INFO(shape.str());
    check_gradients(
        {random_tensor(shape, 6)}, [](Tape& t, const Vars& v) { return global_avg_pool(t, v[0]); },
        [](const Arrays& a) {
          const Array& x = a[0];
          Array y({x.shape[0], 1, 1, x.shape[3]});
          const std::int64_t pixels = x.shape[1] * x.shape[2], C = x.shape[3];
          for (std::int64_t i = 0; i < x.size(); ++i) {
            y[i / C / pixels * C + i % C] += x[i] / static_cast<double>(pixels);
          }
          return y;
        });
  }
}

TEST_CASE("batch_norm_pool is max_pool after batch_norm", "[nn][gradient]") {
  struct Case {
    Shape x;
    std::int64_t kernel, stride;
  };
  for (const Case& c :
       {Case{{2, 4, 6, 3}, 2, 2}, Case{{1, 7, 7, 19}, 3, 2}, Case{{2, 5, 5, 16}, 2, 3}}) {
    TensorF x = random_tensor(c.x, 1);
    for (float& value : x) value += 1.0f;
    const Shape channels{c.x[3]};
    const TensorF gamma = random_tensor(channels, 2), beta = random_tensor(channels, 3);
    for (const bool training : {true, false}) {
      for (const bool relu : {true, false}) {
        INFO(c.x.str() << " training " << training << " relu " << relu);
        BatchNormState state, other;
        for (BatchNormState* s : {&state, &other}) {
          s->running_mean = random_tensor(channels, 4);
          s->running_var = TensorF::full(channels, 0.7f);
        }
        const Array mean(state.running_mean), var(state.running_var);
        Tape tape;
        const Var separate = max_pool(tape,
                                      batch_norm(tape, tape.constant(x), tape.constant(gamma),
                                                 tape.constant(beta), other, training, relu),
                                      c.kernel, c.stride);
        check_gradients(
            {x, gamma, beta},
            [&](Tape& t, const Vars& v) {
              const Var y =
                  batch_norm_pool(t, v[0], v[1], v[2], state, training, relu, c.kernel, c.stride);
              for (std::int64_t i = 0; i < y->value.size(); ++i) {
                REQUIRE(y->value[i] == separate->value[i]);
              }
              return y;
            },
            [&](const Arrays& a) {
              const auto batch = reference::channel_moments(a[0]);
              const Array y =
                  reference::normalize(a[0], a[1], a[2], training ? batch.first : mean.v,
                                       training ? batch.second : var.v, 1e-5);
              return reference::max_pool(relu ? reference::relu(y) : y, c.kernel, c.stride);
            },
            1e-5, 5e-5);
        for (std::int64_t i = 0; i < channels.size(); ++i) {
          REQUIRE(state.running_mean[i] == other.running_mean[i]);
          REQUIRE(state.running_var[i] == other.running_var[i]);
        }
      }
    }
  }
}

TEST_CASE("max_pool gives a tie to the first in row-major order", "[nn]") {
  Tape tape;
  const Var x = tape.input(TensorF::full({1, 3, 3, 1}, 2.0f));
  const Var y = max_pool(tape, x, 3, 1);
  tape.backward(reference::probe(tape, y, TensorF::full({1, 1, 1, 1}, 5.0f)));
  REQUIRE(x->grad[0] == 5.0f);
  for (std::int64_t i = 1; i < 9; ++i) REQUIRE(x->grad[i] == 0.0f);
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
