// The tandem on a small problem: local init, loss, a whole run, and resuming it.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "distill/evaluate.hpp"
#include "distill/folded_baseline.hpp"
#include "distill/local_init.hpp"
#include "distill/loss.hpp"
#include "distill/tandem.hpp"
#include "distill/teacher.hpp"
#include "nn/sgd.hpp"
#include "quant/lower.hpp"
#include "tests/quant/tiny.hpp"

using namespace intandem;

namespace {

const Dataset& train_data() {
  static const Dataset data = tiny::images(512, 21);
  return data;
}
const Dataset& held_out_data() {
  static const Dataset data = tiny::images(128, 22);
  return data;
}

/// A teacher trained for a few steps; computed once.
FloatNetwork trained_teacher() {
  FloatNetwork net(tiny::network(), Rng(5));
  Sgd sgd(net.parameters(), SgdOptions{});
  const Normalization norm = tiny::normalization();
  Loader::Options loading;
  loading.batch = 32;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    Loader loader(train_data(), norm, loading, epoch);
    for (Batch batch; loader.next(batch);) {
      Tape tape;
      std::vector<Var> values(static_cast<std::size_t>(net.unit_count()));
      FloatNetwork::Mode mode;
      mode.training = mode.train_parameters = true;
      const Var logits = net.forward(tape, 0, net.unit_count(),
                                     tape.constant(normalize(batch.images, norm)), values, mode);
      sgd.zero_grad();
      tape.backward(cross_entropy(tape, logits, batch.labels, 0.0f));
      sgd.step(0.05f);
    }
  }
  return net;
}

DistillOptions quick_options(int bits) {
  DistillOptions options;
  options.student.weight_bits = options.student.activation_bits = bits;
  options.batch = 32;
  options.calibration_images = 256;
  options.epochs_per_stage = 1.0;
  options.evals_per_stage = 2;
  options.joint_epochs = 1.0;
  options.joint_evals = 2;
  return options;
}

std::vector<float> all_latents(Student& student) {
  std::vector<float> all;
  for (int k = 0; k < student.unit_count(); ++k) {
    for (const Parameter* p : student.unit(k).parameters(true)) {
      all.insert(all.end(), p->value.begin(), p->value.end());
    }
  }
  return all;
}

struct Quiet {
  Quiet() { Progress::set_quiet(true); }
  ~Quiet() { Progress::set_quiet(false); }
};

}  // namespace

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

TEST_CASE("a window trains the layers up to the current one and no other") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  for (const int window : {1, 2, 0}) {
    DistillOptions options = quick_options(3);
    options.window = window;
    options.joint_epochs = 0.0;
    std::vector<std::vector<float>> before;
    int stage_seen = -1;
    Tandem* running = nullptr;
    TandemHooks hooks;
    const auto latents = [&](int k) {
      const TensorF& w = running->student().unit(k).weight.value;
      return std::vector<float>(w.begin(), w.end());
    };
    hooks.log = [&](const TandemEvent& event) {
      const int k = event.stage, L = running->student().unit_count();
      if (k != stage_seen) {
        stage_seen = k;
        before.clear();
        for (int j = 0; j < L; ++j) before.push_back(latents(j));
        return;
      }
      for (int j = 0; j < L; ++j) {
        if (!running->student().unit(j).quantizer) continue;
        const bool trained = j <= k && (window == 0 || j > k - window);
        INFO("window " << window << ", stage " << k << ", unit " << j);
        CHECK((latents(j) != before[static_cast<std::size_t>(j)]) == trained);
      }
    };
    Tandem tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, hooks);
    running = &tandem;
    REQUIRE(tandem.run());
    const IntModel model = lower(tandem.student(), tandem.student().unit_count());
    CHECK(evaluate_integer(model, held_out_data(), 64).top1_percent() > 80.0);
    CHECK(compare_with_simulation(tandem.student(), model, held_out_data(), 50).count == 0);
  }
}

TEST_CASE("without a label loss the labels change nothing") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  DistillOptions options = quick_options(3);
  options.ce_weight = 0.0;
  options.window = 0;
  Dataset scrambled = train_data(), scrambled_held_out = held_out_data();
  for (auto* labels : {&scrambled.labels, &scrambled_held_out.labels}) {
    for (std::int32_t& label : *labels) label = (label + 1) % 3;
  }
  Tandem with(teacher, tiny::normalization(), train_data(), held_out_data(), options, {});
  Tandem without(teacher, tiny::normalization(), scrambled, scrambled_held_out, options, {});
  REQUIRE(with.run());
  REQUIRE(without.run());
  CHECK(all_latents(with.student()) == all_latents(without.student()));
}

TEST_CASE("fed with the teacher's activations a stage sees no error of the prefix") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  DistillOptions options = quick_options(2);
  options.stage_input = StageInput::teacher;
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

TEST_CASE("the tandem ends no worse than it starts and stays exact") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  const Normalization norm = tiny::normalization();
  const double teacher_top1 = evaluate_float(teacher, norm, held_out_data(), 64).top1_percent();
  CHECK(teacher_top1 > 85.0);  // three balanced classes: chance is 33

  const DistillOptions options = quick_options(2);
  std::vector<double> first(7, 0.0), best(7, 0.0);
  TandemHooks hooks;
  hooks.log = [&](const TandemEvent& event) {
    const auto stage = static_cast<std::size_t>(event.stage);
    if (event.eval == 0) first[stage] = event.held_out.total;
    if (event.new_best) best[stage] = event.held_out.total;
  };
  Tandem tandem(teacher, norm, train_data(), held_out_data(), options, hooks);
  REQUIRE(tandem.run());
  int improved = 0;
  for (std::size_t k = 0; k < 7; ++k) improved += best[k] < first[k];
  CHECK(improved >= 4);
  // What is left are the best parameters of the last stage, not its last ones.
  Hybrid hybrid(teacher, tandem.student(), options.batch);
  StageTrainer trainer(hybrid, options, train_data(), held_out_data());
  CHECK(trainer.evaluate(6).total == best[6]);

  const IntModel model = lower(tandem.student(), tandem.student().unit_count());
  const double student_top1 = evaluate_integer(model, held_out_data(), 64).top1_percent();
  const IntModel folded =
      folded_baseline(teacher, norm, train_data(), 256, false, StepMethod::mse, options.student);
  INFO("teacher " << teacher_top1 << " student " << student_top1 << " folded "
                  << evaluate_integer(folded, held_out_data(), 64).top1_percent());
  CHECK(student_top1 >= evaluate_integer(folded, held_out_data(), 64).top1_percent());
  CHECK(student_top1 > 80.0);
  CHECK(compare_with_simulation(tandem.student(), model, held_out_data(), 50).count == 0);
  CHECK(layer_sqnr_db(teacher, tandem.student(), held_out_data(), 50).size() == 6);
}

TEST_CASE("it also works from random weights") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  DistillOptions options = quick_options(4);
  options.random_init = true;
  options.lr = 0.03;
  options.epochs_per_stage = 4.0;
  options.evals_per_stage = 4;
  Tandem tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, {});
  REQUIRE(tandem.run());
  const IntModel model = lower(tandem.student(), tandem.student().unit_count());
  CHECK(evaluate_integer(model, held_out_data(), 64).top1_percent() > 75.0);
}

TEST_CASE("lambda 0 is the purely local variant") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  DistillOptions options = quick_options(3);
  options.lambda = 0.0;
  options.joint_epochs = 0.0;
  Tandem tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, {});
  REQUIRE(tandem.run());
  const IntModel model = lower(tandem.student(), tandem.student().unit_count());
  CHECK(evaluate_integer(model, held_out_data(), 64).top1_percent() > 75.0);
}

TEST_CASE("stopped anywhere and resumed, the same bits; 1 and 2 threads, the same bits") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher();
  const Normalization norm = tiny::normalization();
  const DistillOptions options = quick_options(3);
  const int threads = thread_count();
  set_thread_count(1);
  Tandem reference(teacher, norm, train_data(), held_out_data(), options, {});
  REQUIRE(reference.run());
  const std::vector<float> expected = all_latents(reference.student());
  set_thread_count(2);

  const std::string path = std::filesystem::temp_directory_path() /
                           ("intandem_test_" + std::to_string(::getpid()) + ".safetensors");
  for (const int stop_after : {3, 37, 101}) {  // inside a stretch, at its end, in the joint phase
    TandemHooks hooks;
    hooks.checkpoint_path = path;
    int steps = 0;
    hooks.should_stop = [&] { return ++steps == stop_after; };
    Tandem first(teacher, norm, train_data(), held_out_data(), options, hooks);
    REQUIRE_FALSE(first.run());
    Tandem second(teacher, norm, train_data(), held_out_data(), options, {});
    second.resume(Container::load(path, "checkpoint"));
    REQUIRE(second.run());
    CHECK(all_latents(second.student()) == expected);
  }
  std::remove(path.c_str());
  set_thread_count(threads);
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
