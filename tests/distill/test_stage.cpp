// What a stage is made of: local init, losses on a batch and on the held-out images, its input.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "distill/local_init.hpp"
#include "distill/loss.hpp"
#include "distill/tandem.hpp"
#include "distill/teacher.hpp"
#include "quant/lower.hpp"
#include "tests/distill/tiny_distill.hpp"

using namespace intandem;
using namespace intandem::tiny;

TEST_CASE("the local loss is the error over the target's variance, and its gradient") {
  TensorF z({4, 2}), t({4, 2});
  const Rng rng(3);
  for (std::int64_t i = 0; i < 8; ++i) {
    z[i] = rng.normal(static_cast<std::uint64_t>(i));
    t[i] = 1.0f + rng.normal(static_cast<std::uint64_t>(100 + i));
  }
  double error = 0.0, variance = 0.0;
  for (std::int64_t c = 0; c < 2; ++c) {
    double mean = 0.0;
    for (std::int64_t n = 0; n < 4; ++n) mean += static_cast<double>(t[n * 2 + c]) / 4.0;
    for (std::int64_t n = 0; n < 4; ++n) {
      variance += std::pow(static_cast<double>(t[n * 2 + c]) - mean, 2.0);
      error += std::pow(static_cast<double>(z[n * 2 + c] - t[n * 2 + c]), 2.0);
    }
  }
  Tape tape;
  const Var in = tape.input(z);
  const Var loss = local_loss(tape, in, t, 0.0f, 0.0f);
  CHECK(loss->value[0] == Approx(error / variance).epsilon(1e-5));
  tape.backward(loss);
  for (std::int64_t i = 0; i < 8; ++i) {
    CHECK(in->grad[i] == Approx(2.0 * static_cast<double>(z[i] - t[i]) / variance).epsilon(1e-4));
  }
}

TEST_CASE("saturated error is harmless, error across the clip is not") {
  TensorF z({4, 1}), t({4, 1});
  const float zs[] = {-5.0f, 9.0f, -1.0f, 0.5f}, ts[] = {-1.0f, 3.0f, 0.5f, 0.5f};
  std::copy(std::begin(zs), std::end(zs), z.begin());
  std::copy(std::begin(ts), std::end(ts), t.begin());
  Tape tape;
  const Var in = tape.input(z);
  const Var loss = local_loss(tape, in, t, 0.0f, 1.0f);
  tape.backward(loss);
  CHECK(in->grad[0] == 0.0f);
  CHECK(in->grad[1] == 0.0f);
  CHECK(in->grad[2] < 0.0f);
  CHECK(in->grad[3] == 0.0f);
}

TEST_CASE("local init: closed form makes the residual uncorrelated with the product") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  const DistillOptions options = quick_options(3);
  Student student(teacher.spec(), tiny::normalization(), options.student, Rng(1));
  Hybrid hybrid(teacher, student, options.batch);
  for (int k = 0; k < student.unit_count(); ++k) {
    hybrid.freeze(k);
    local_init(hybrid, k, train_data(), options);
    if (!student.unit(k).quantizer) continue;
    // Normal equations of Q14 on one batch of the calibration set, up to that batch's sampling and
    // the rounding of the bias: mean residual per channel ≈ 0 relative to the spread of T.
    TensorU8 batch(Shape{256, 8, 8, 2});
    std::copy_n(train_data().images.data(), batch.size(), batch.data());
    DistillOptions one_batch = options;
    one_batch.batch = 256;
    Hybrid whole(teacher, student, 256);
    whole.freeze(k);
    Tape tape;
    const auto unit = static_cast<std::size_t>(k);
    const TensorF z =
        whole.run(tape, batch, k, k, SimulationMode{}, StageInput::student, false).z[unit]->value;
    const TensorF t = whole.teacher_pass(batch, k, k, false).z[unit];
    const std::int64_t K = z.dim(z.rank() - 1);
    double residual = 0.0, spread = 0.0, correlation = 0.0, square_z = 0.0;
    for (std::int64_t c = 0; c < K; ++c) {
      double sum_r = 0.0, sum_t = 0.0, sum_tt = 0.0, sum_z = 0.0, sum_zz = 0.0, sum_rz = 0.0;
      const double count = static_cast<double>(z.size() / K);
      for (std::int64_t i = c; i < z.size(); i += K) {
        const double r = static_cast<double>(t[i] - z[i]), v = static_cast<double>(z[i]);
        sum_r += r;
        sum_t += static_cast<double>(t[i]);
        sum_tt += static_cast<double>(t[i]) * static_cast<double>(t[i]);
        sum_z += v;
        sum_zz += v * v;
        sum_rz += r * v;
      }
      residual += std::abs(sum_r / count);
      spread += std::sqrt(sum_tt / count - std::pow(sum_t / count, 2.0));
      correlation += sum_rz - sum_r * sum_z / count;
      square_z += sum_zz - sum_z * sum_z / count;
    }
    // The bias is rounded to whole accumulator units: at most half a unit per channel.
    CHECK(residual < 0.5 * quantize_unit(student, k).unit * static_cast<double>(K) + 1e-3 * spread);
    // A residual unit's z also holds the shortcut, which the scale does not multiply.
    if (student.geometry()[static_cast<std::size_t>(k)].add < 0) {
      CHECK(std::abs(correlation) < 0.001 * square_z);
    }
  }
}

TEST_CASE("a held-out loss does not depend on how the images fall into batches") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  const Normalization norm = tiny::normalization();
  std::vector<double> first_losses;
  for (const std::int64_t batch : {32, 127, 128}) {  // 128 images: the last batch holds 32, 1, 128
    DistillOptions options = quick_options(3);
    options.epochs_per_stage = options.joint_epochs = 0.0;
    options.inner = 0.5;
    options.window = 3;
    TandemHooks hooks;
    std::size_t event_count = 0;
    hooks.log = [&](const TandemEvent& event) {
      if (first_losses.size() == event_count) first_losses.push_back(event.held_out.total);
      CHECK(event.held_out.total == Approx(first_losses[event_count]).epsilon(1e-4));
      CHECK(event.held_out.local < 5.0);  // with a batch's own variance: 1e11 in linear layers
      ++event_count;
    };
    options.batch = batch;
    Tandem tandem(teacher, norm, train_data(), held_out_data(), options, hooks);
    REQUIRE(tandem.run());
    CHECK(event_count == 6);
  }
}

TEST_CASE("batches of one image are refused") {
  FloatNetwork teacher(tiny::network(), Rng(5));
  DistillOptions options = quick_options(3);
  options.batch = 1;
  CHECK_THROWS_WITH(
      Tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, {}),
      Catch::Contains("--batch"));
}

TEST_CASE("fed with the teacher's activations a stage sees no error of the prefix") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  DistillOptions options = quick_options(2);
  options.stage_input = StageInput::teacher;
  options.window = 1;
  Student student(teacher.spec(), tiny::normalization(), options.student, Rng(1));
  Hybrid hybrid(teacher, student, options.batch);
  hybrid.freeze(0);
  local_init(hybrid, 0, train_data(), options);
  hybrid.freeze(1);
  const TensorU8 batch = image_range(train_data(), 0, 16);
  const TensorF codes = hybrid.prefix_codes(batch, 1, StageInput::teacher)[0];
  Tape tape;
  std::vector<Var> values;
  const Var y = teacher.forward(tape, 0, 1, tape.constant(normalize(batch, tiny::normalization())),
                                values, FloatNetwork::Mode{});
  const float step = student.unit(0).out_step.value[0];
  for (std::int64_t i = 0; i < codes.size(); ++i) {
    const float in_range = std::min(y->value[i], 3.0f * step);
    CHECK(std::abs(codes[i] * step - in_range) <= 0.5001f * step);
  }
  Tandem tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, {});
  REQUIRE(tandem.run());
}

TEST_CASE("a batch of one image through the batch norm of a linear layer is refused") {
  const Split split{train_data(), held_out_data()};
  TeacherOptions options;
  options.batch = 1;
  CHECK_THROWS_WITH(TeacherTrainer(tiny::network(), split, tiny::normalization(), options, nullptr),
                    Catch::Contains("fc1") && Catch::Contains("batches of 2"));
  options.batch = 2;
  TeacherTrainer(tiny::network(), split, tiny::normalization(), options, nullptr);
}
