// The tape itself: fan-out, shared parameters, shared gradient buffers, what is kept and freed.
#include "core/parallel.hpp"
#include "nn/ops.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::probe;
using reference::random_tensor;

namespace {

TensorF filled(float value) { return TensorF::full({2, 2}, value); }

}  // namespace

TEST_CASE("fan-out adds the gradients of all uses", "[nn][tape]") {
  Tape tape;
  const Var x = tape.input(filled(3.0f));
  const Var two = tape.constant(TensorF::full({1}, 2.0f));
  // y = x + 2x + (x + x): dy/dx = 5.
  const Var y = add(tape, add(tape, x, scale(tape, x, two)), add(tape, x, x));
  REQUIRE(y->value[0] == 15.0f);
  tape.backward(probe(tape, y, filled(1.0f)));
  for (const float g : x->grad) REQUIRE(g == 5.0f);
}

TEST_CASE("a gradient buffer handed to two nodes is not corrupted", "[nn][tape]") {
  Tape tape;
  const Var a = tape.input(filled(1.0f)), b = tape.input(filled(1.0f));
  // add() gives one buffer to a and b; a then receives a second contribution.
  const Var first = add(tape, a, a);
  const Var sum = add(tape, a, b);
  const Var y = add(tape, first, sum);
  tape.backward(probe(tape, y, filled(7.0f)));
  for (const float g : a->grad) REQUIRE(g == 21.0f);
  for (const float g : b->grad) REQUIRE(g == 7.0f);
}

TEST_CASE("kernels that add in place do not touch a shared buffer", "[nn][tape]") {
  Tape tape;
  const Var w = tape.input(random_tensor({3, 2}, 1)), other = tape.input(random_tensor({3, 2}, 2));
  const Var x = tape.constant(TensorF::full({1, 2}, 1.0f));
  // w is used by a layer (gradient_storage) and by add (a borrowed buffer shared with other).
  const Var layer = linear(tape, x, w, nullptr);
  const Var sum = add(tape, w, other);
  const Var loss = weighted_sum(tape,
                                {probe(tape, layer, TensorF::full({1, 3}, 1.0f)),
                                 probe(tape, sum, TensorF::full({3, 2}, 10.0f))},
                                {1.0f, 1.0f});
  tape.backward(loss);
  for (const float g : w->grad) REQUIRE(g == 11.0f);
  for (const float g : other->grad) REQUIRE(g == 10.0f);
}

TEST_CASE("a parameter used twice and in two steps accumulates until zero_grad", "[nn][tape]") {
  Parameter p("p", filled(2.0f), true);
  for (int step = 1; step <= 2; ++step) {
    Tape tape;
    const Var a = tape.parameter(p), b = tape.parameter(p);
    tape.backward(probe(tape, add(tape, a, b), filled(1.0f)));
    for (const float g : p.grad) REQUIRE(g == 2.0f * static_cast<float>(step));
  }
  p.zero_grad();
  for (const float g : p.grad) REQUIRE(g == 0.0f);
}

TEST_CASE("constants get no gradient and keep no closures", "[nn][tape]") {
  Tape tape;
  const Var c = tape.constant(filled(1.0f));
  const Var y = relu(tape, c);
  REQUIRE_FALSE(y->needs_grad);
  REQUIRE_FALSE(y->backward);
  REQUIRE(c.use_count() == 1);  // nothing but this test holds it

  const Var x = tape.input(filled(1.0f));
  tape.backward(probe(tape, add(tape, y, x), filled(4.0f)));
  REQUIRE(c->grad.empty());
  REQUIRE(x->grad[0] == 4.0f);
}

TEST_CASE("backward frees interior gradients and saved values", "[nn][tape]") {
  Tape tape;
  const Var x = tape.input(filled(1.0f));
  Var inner = relu(tape, x);
  const std::weak_ptr<Node> watched = inner;
  const Var y = relu(tape, inner);
  inner.reset();
  REQUIRE_FALSE(watched.expired());
  tape.backward(probe(tape, y, filled(1.0f)));
  REQUIRE(watched.expired());
  REQUIRE(y->grad.empty());
  REQUIRE(y->value[0] == 1.0f);  // values that the caller holds stay
  REQUIRE(x->grad[0] == 1.0f);
}

TEST_CASE("misuse of the tape is reported", "[nn][tape]") {
  Tape tape;
  const Var x = tape.input(filled(1.0f));
  REQUIRE_THROWS_AS(tape.backward(relu(tape, x)), Error);  // four elements
  REQUIRE_THROWS_AS(tape.backward(tape.constant(TensorF::full({1}, 0.0f))), Error);
  REQUIRE_THROWS_AS(accumulate(x, TensorF::zeros({4})), Error);
  const Var loss = probe(tape, x, filled(1.0f));
  tape.backward(loss);
  REQUIRE_THROWS_AS(tape.backward(loss), Error);
  REQUIRE_THROWS_AS(relu(tape, x), Error);
}

TEST_CASE("operations refuse shapes that do not fit", "[nn]") {
  Tape tape;
  const Var x = tape.input(TensorF::zeros({1, 4, 4, 2}));
  const Var w = tape.constant(TensorF::zeros({3, 3, 3, 3}));
  REQUIRE_THROWS_AS(conv2d(tape, x, w, nullptr, 1, 1), Error);
  REQUIRE_THROWS_AS(conv2d(tape, x, tape.constant(TensorF::zeros({3, 7, 7, 2})), nullptr, 1, 1),
                    Error);
  REQUIRE_THROWS_AS(linear(tape, x, tape.constant(TensorF::zeros({3, 31})), nullptr), Error);
  REQUIRE_THROWS_AS(max_pool(tape, x, 5, 1), Error);
  REQUIRE_THROWS_AS(max_pool(tape, x, 2, 0), Error);
  REQUIRE_THROWS_AS(add(tape, x, w), Error);
  REQUIRE_THROWS_AS(dropout(tape, x, 1.0f, Rng(0)), Error);
  REQUIRE_THROWS_AS(cross_entropy(tape, tape.constant(TensorF::zeros({2, 3})), {0, 3}, 0.0f),
                    Error);
  REQUIRE_THROWS_AS(cross_entropy(tape, tape.constant(TensorF::zeros({2, 3})), {0}, 0.0f), Error);
  REQUIRE_THROWS_AS(mse(tape, x, TensorF::zeros({32})), Error);
  REQUIRE_THROWS_AS(weighted_sum(tape, {x}, {1.0f}), Error);
}

TEST_CASE("a value's storage is taken only when nobody can look at it any more", "[nn][tape]") {
  // y = 2x, held by nobody, by the caller, by a later operation, or through its buffer.
  for (const char* holder : {"nobody", "caller", "operation", "buffer", "input"}) {
    const std::string who = holder;
    Tape tape;
    const Var x = tape.input(filled(1.0f));
    const Var two = tape.constant(TensorF::full({1}, 2.0f));
    Var y = who == "input" ? tape.input(filled(2.0f)) : scale(tape, x, two);
    Var z = tape.record(filled(0.0f), {y}, [y, who](const Node& self) {
      const TensorF taken = spent_storage(y);
      CHECK(taken.shape() == y->value.shape());
      INFO("held by " << who);
      CHECK((taken.data() == y->value.data()) == (who == "nobody"));
      accumulate(y, self.grad);
    });
    const Var kept = who == "caller" ? y : nullptr;
    const TensorF buffer = who == "buffer" ? y->value : TensorF();
    if (who == "operation") z = add(tape, z, scale(tape, z, two));  // after z: gone by then
    const Var other = who == "input" ? y : nullptr;
    if (who != "operation") y = nullptr;
    tape.backward(probe(tape, z, filled(1.0f)));
  }
}
