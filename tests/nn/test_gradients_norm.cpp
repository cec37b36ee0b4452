// Values and gradients of batch norm and pools against double-precision references.
#include "nn/ops.hpp"

#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::Array;
using reference::Arrays;
using reference::check_gradients;
using reference::random_tensor;
using reference::Vars;

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
