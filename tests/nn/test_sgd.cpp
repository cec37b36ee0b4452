// SGD against steps computed by hand, and the learning-rate schedules.
#include <algorithm>
#include "core/container.hpp"
#include "nn/sgd.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;

namespace {

Parameter one(float value, float grad, bool decay = true) {
  Parameter p("p", TensorF::full({1}, value), decay);
  p.grad[0] = grad;
  return p;
}

}  // namespace

TEST_CASE("momentum, Nesterov momentum and weight decay take the steps of the paper", "[nn][sgd]") {
  for (const bool nesterov : {false, true}) {
    Parameter p = one(2.0f, 0.5f);
    Sgd sgd({&p}, {.momentum = 0.5f, .nesterov = nesterov, .weight_decay = 0.25f});
    // Step 1: g = 0.5 + 0.25·2 = 1, v = 1, w −= 0.1·(nesterov ? 1 + 0.5·1 : 1).
    REQUIRE(sgd.step(0.1f) == Approx(0.5));
    const double w1 = 2.0 - 0.1 * (nesterov ? 1.5 : 1.0);
    REQUIRE(p.value[0] == Approx(w1));
    // Step 2, gradient −1: g = −1 + 0.25·w1, v = 0.5 + g.
    sgd.zero_grad();
    REQUIRE(p.grad[0] == 0.0f);
    p.grad[0] = -1.0f;
    sgd.step(0.1f);
    const double g = -1.0 + 0.25 * w1, v = 0.5 + g;
    REQUIRE(p.value[0] == Approx(w1 - 0.1 * (nesterov ? g + 0.5 * v : v)));
  }
}

TEST_CASE("decay and rate factors apply per parameter", "[nn][sgd]") {
  Parameter a = one(1.0f, 0.0f, false), b = one(1.0f, 1.0f), c = one(1.0f, 1.0f);
  Sgd sgd({&a, &b, &c}, {.momentum = 0.0f, .nesterov = false, .weight_decay = 0.5f});
  sgd.step(0.1f, {1.0f, 2.0f, 0.0f});
  REQUIRE(a.value[0] == 1.0f);
  REQUIRE(b.value[0] == Approx(1.0 - 0.2 * 1.5));
  REQUIRE(c.value[0] == 1.0f);
  REQUIRE_THROWS_AS(sgd.step(0.1f, {1.0f}), Error);
}

TEST_CASE("the gradient norm is global and clips", "[nn][sgd]") {
  Parameter a("a", TensorF::zeros({100003}), true), b = one(0.0f, 4.0f);
  a.grad[100002] = 3.0f;
  Sgd sgd({&a, &b}, {.momentum = 0.0f, .nesterov = false, .clip_norm = 1.0f});
  REQUIRE(sgd.step(1.0f) == Approx(5.0));
  REQUIRE(a.value[100002] == Approx(-0.6));
  REQUIRE(b.value[0] == Approx(-0.8));
  a.grad[100002] = 0.3f;
  b.grad[0] = 0.4f;
  REQUIRE(sgd.step(1.0f) == Approx(0.5));
  REQUIRE(b.value[0] == Approx(-1.2));
}

TEST_CASE("a step that zeroes the gradients is the same step", "[nn][sgd]") {
  for (const float clip : {0.0f, 0.5f}) {
    constexpr std::int64_t kSize = 70001;  // three chunks
    Parameter a("a", TensorF::full({kSize}, 1.0f), true),
        b("b", TensorF::full({kSize}, 1.0f), true);
    Sgd plain({&a}, {.weight_decay = 0.01f, .clip_norm = clip});
    Sgd zeroing({&b}, {.weight_decay = 0.01f, .clip_norm = clip});
    for (int step = 0; step < 2; ++step) {
      for (std::int64_t i = 0; i < kSize; ++i) {
        a.grad[i] = b.grad[i] = static_cast<float>(i % 7 - 3 + step);
      }
      REQUIRE(plain.step(0.1f) == zeroing.step_and_zero_grad(0.1f));
      REQUIRE(a.grad[kSize - 1] != 0.0f);
      for (const float g : b.grad) REQUIRE(g == 0.0f);
      REQUIRE(std::equal(a.value.begin(), a.value.end(), b.value.begin()));
    }
  }
}

TEST_CASE("momentum survives a container", "[nn][sgd]") {
  Parameter p = one(1.0f, 1.0f), q = one(1.0f, 1.0f);
  Sgd first({&p}, {}), second({&q}, {});
  first.step(0.1f);
  Container file("checkpoint");
  first.store(file, "sgd");
  first.step(0.1f);
  q.value[0] = 1.0f - 0.1f * 1.9f;
  second.load(file, "sgd");
  second.step(0.1f);
  REQUIRE(q.value[0] == Approx(p.value[0]));
  REQUIRE_THROWS_AS(second.load(file, "other"), Error);
}

TEST_CASE("learning-rate schedules", "[nn][sgd]") {
  LearningRate rate{.kind = ScheduleKind::cosine,
                    .peak = 0.4,
                    .final_fraction = 0.1,
                    .warmup_steps = 4,
                    .total_steps = 104};
  REQUIRE(rate.at(0) == Approx(0.1));
  REQUIRE(rate.at(3) == Approx(0.4));
  REQUIRE(rate.at(4) == Approx(0.4));
  REQUIRE(rate.at(54) == Approx(0.4 * (0.1 + 0.9 * 0.5)));
  REQUIRE(rate.at(104) == Approx(0.04));
  REQUIRE(rate.at(1000) == Approx(0.04));
  rate.kind = ScheduleKind::constant;
  REQUIRE(rate.at(54) == 0.4);
  rate.kind = ScheduleKind::step;
  rate.step_every = 10;
  rate.step_factor = 0.5;
  REQUIRE(rate.at(9) == Approx(0.4));
  REQUIRE(rate.at(10) == Approx(0.2));
  REQUIRE(rate.at(39) == Approx(0.05));

  REQUIRE(schedule_from_name("cosine") == ScheduleKind::cosine);
  REQUIRE(schedule_from_name("step") == ScheduleKind::step);
  REQUIRE(schedule_from_name("constant") == ScheduleKind::constant);
  REQUIRE_THROWS_WITH(schedule_from_name("cos"), Catch::Contains("'cos'"));
}
