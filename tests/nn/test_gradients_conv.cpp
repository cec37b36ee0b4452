// Values and gradients of convolutions against double-precision references.
#include "nn/conv/winograd/winograd.hpp"
#include "nn/ops.hpp"
#include "tests/float_isas.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::Array;
using reference::Arrays;
using reference::check_gradients;
using reference::random_tensor;
using reference::Vars;

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
