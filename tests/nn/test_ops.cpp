// What gradients alone do not show: running statistics, dropout, extreme logits, NaN, threads.
#include <cstring>
#include <limits>

#include "core/parallel.hpp"
#include "nn/ops.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::Array;
using reference::random_tensor;

TEST_CASE("batch_norm keeps running statistics", "[nn]") {
  BatchNormState state;
  state.running_mean = TensorF::zeros({3});
  state.running_var = TensorF::full({3}, 1.0f);
  state.momentum = 0.25f;
  Tape tape;
  const Var gamma = tape.constant(TensorF::full({3}, 1.0f));
  const Var beta = tape.constant(TensorF::zeros({3}));
  std::vector<double> mean(3, 0.0), var(3, 1.0);
  for (std::uint64_t step = 0; step < 3; ++step) {
    TensorF x = random_tensor({2, 2, 5, 3}, 10 + step);
    for (float& value : x) value = 4.0f * value + 100.0f;
    const Var y = batch_norm(tape, tape.constant(x), gamma, beta, state, true, false);
    const auto batch = reference::channel_moments(Array(x));
    const auto out = reference::channel_moments(Array(y->value));
    for (std::size_t c = 0; c < 3; ++c) {
      mean[c] = 0.75 * mean[c] + 0.25 * batch.first[c];
      var[c] = 0.75 * var[c] + 0.25 * batch.second[c] * 20.0 / 19.0;
      const auto at = static_cast<std::int64_t>(c);
      REQUIRE(state.running_mean[at] == Approx(mean[c]).epsilon(1e-6));
      REQUIRE(state.running_var[at] == Approx(var[c]).epsilon(1e-6));
      REQUIRE(out.first[c] == Approx(0.0).margin(1e-5));
      REQUIRE(out.second[c] == Approx(1.0).epsilon(1e-5));
    }
  }
  const TensorF kept = state.running_mean.clone();
  batch_norm(tape, tape.constant(random_tensor({4, 3}, 99)), gamma, beta, state, false, false);
  for (std::int64_t c = 0; c < 3; ++c) REQUIRE(state.running_mean[c] == kept[c]);
}

TEST_CASE("batch_norm of one row or of a constant stays finite", "[nn]") {
  BatchNormState state;
  state.running_mean = TensorF::full({2}, 0.5f);
  state.running_var = TensorF::full({2}, 2.0f);
  Tape tape;
  const Var gamma = tape.input(TensorF::full({2}, 3.0f)), beta = tape.input(random_tensor({2}, 1));
  const Var x = tape.input(random_tensor({1, 2}, 2));
  const Var y = batch_norm(tape, x, gamma, beta, state, true, false);
  for (std::int64_t c = 0; c < 2; ++c) {
    REQUIRE(y->value[c] == Approx(beta->value[c]).margin(1e-3));
    REQUIRE(state.running_mean[c] == 0.5f);
    REQUIRE(state.running_var[c] == 2.0f);
  }
  tape.backward(reference::probe(tape, y, TensorF::full({1, 2}, 1.0f)));
  for (const float g : x->grad) REQUIRE(std::isfinite(g));
}

TEST_CASE("dropout keeps the right share, scales it and repeats itself", "[nn]") {
  const TensorF x = TensorF::full({1000, 101}, 2.0f);
  for (const float p : {0.1f, 0.5f, 0.9f}) {
    Tape tape;
    const Rng rng = Rng(5).stream("dropout");
    const Var in = tape.input(x);
    const Var y = dropout(tape, in, p, rng);
    std::int64_t kept = 0;
    for (const float value : y->value) {
      if (value == 0.0f) continue;
      ++kept;
      REQUIRE(value == Approx(2.0f / (1.0f - p)).epsilon(1e-6));
    }
    const auto n = static_cast<double>(x.size());
    const double sigma = std::sqrt(n * p * (1.0 - p));
    REQUIRE(std::abs(static_cast<double>(kept) - n * (1.0 - p)) < 5.0 * sigma);

    Tape again;
    const Var same = dropout(again, again.constant(x), p, rng);
    const Var other = dropout(again, again.constant(x), p, rng.stream(1));
    REQUIRE(std::memcmp(same->value.data(), y->value.data(),
                        static_cast<std::size_t>(x.size_bytes())) == 0);
    REQUIRE(std::memcmp(other->value.data(), y->value.data(),
                        static_cast<std::size_t>(x.size_bytes())) != 0);

    tape.backward(reference::probe(tape, y, TensorF::full(x.shape(), 1.0f)));
    for (std::int64_t i = 0; i < x.size(); ++i) {
      REQUIRE(in->grad[i] == (y->value[i] == 0.0f ? 0.0f : 1.0f / (1.0f - p)));
    }
  }
  Tape tape;
  const Var in = tape.input(x);
  REQUIRE(dropout(tape, in, 0.0f, Rng(0)) == in);
}

TEST_CASE("losses agree with closed forms", "[nn]") {
  Tape tape;
  const Var flat = tape.constant(TensorF::zeros({3, 10}));
  REQUIRE(cross_entropy(tape, flat, {0, 5, 9}, 0.0f)->value[0] == Approx(std::log(10.0)));
  REQUIRE(cross_entropy(tape, flat, {0, 5, 9}, 0.3f)->value[0] == Approx(std::log(10.0)));
  const TensorF z = random_tensor({3, 10}, 1);
  REQUIRE(kl_divergence(tape, tape.constant(z), z, 3.0f)->value[0] == Approx(0.0).margin(1e-7));
  REQUIRE(mse(tape, tape.constant(z), z)->value[0] == 0.0f);
  // Two classes with logits (a, 0): −log p_0 = log(1 + e^−a).
  TensorF two = TensorF::zeros({1, 2});
  two[0] = 1.25f;
  REQUIRE(cross_entropy(tape, tape.constant(two), {0}, 0.0f)->value[0] ==
          Approx(std::log1p(std::exp(-1.25))));
}

TEST_CASE("losses stay finite for extreme logits", "[nn]") {
  TensorF z({2, 3});
  const float extreme[] = {1e4f, -1e4f, 0.0f, -1e4f, 1e4f, 1e4f};
  std::copy(std::begin(extreme), std::end(extreme), z.data());
  TensorF target({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) target[i] = -z[i];
  for (const int which : {0, 1, 2}) {
    Tape tape;
    const Var x = tape.input(z);
    const Var loss = which == 0   ? cross_entropy(tape, x, {1, 0}, 0.0f)
                     : which == 1 ? cross_entropy(tape, x, {0, 1}, 0.1f)
                                  : kl_divergence(tape, x, target, 1.0f);
    REQUIRE(std::isfinite(loss->value[0]));
    if (which == 0) REQUIRE(loss->value[0] == Approx(2e4 + 0.5 * std::log(2.0)).epsilon(1e-6));
    tape.backward(loss);
    for (const float g : x->grad) REQUIRE(std::isfinite(g));
  }
}

TEST_CASE("NaN is not hidden by ReLU or batch norm", "[nn]") {
  Tape tape;
  TensorF x = TensorF::full({2, 5}, 1.0f);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(std::isnan(relu(tape, tape.constant(x))->value[3]));
  BatchNormState state;
  state.running_mean = TensorF::zeros({5});
  state.running_var = TensorF::full({5}, 1.0f);
  const Var ones = tape.constant(TensorF::full({5}, 1.0f));
  const Var y = batch_norm(tape, tape.constant(x), ones, ones, state, false, true);
  REQUIRE(std::isnan(y->value[3]));
  REQUIRE_FALSE(std::isnan(y->value[4]));
}
