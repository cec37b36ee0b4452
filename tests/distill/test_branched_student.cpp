// Students of networks with branches, groups and signed codes: simulation against both engines,
// gradients, and a whole distillation.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/container.hpp"
#include "distill/evaluate.hpp"
#include "distill/folded_baseline.hpp"
#include "distill/tandem.hpp"
#include "nn/ops.hpp"
#include "quant/fake_quant.hpp"
#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "tests/distill/tiny_distill.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using namespace intandem::tiny;

namespace {

Student branched_student(int weight_bits, int activation_bits, std::uint64_t seed) {
  StudentOptions options;
  options.weight_bits = weight_bits;
  options.activation_bits = activation_bits;
  Student student(branched_network(), tiny::normalization(), options, Rng(seed));
  randomize(student, seed);
  return student;
}

}  // namespace

TEST_CASE("signed codes: who has a zero point", "[branched]") {
  Student student = branched_student(4, 3, 1);
  const auto zero_of = [&](const std::string& name) {
    for (int k = 0; k < student.unit_count(); ++k) {
      if (student.spec().units[static_cast<std::size_t>(k)].name == name) {
        return student.zero_point(k);
      }
    }
    return -1;
  };
  CHECK(zero_of("stem") == 0);
  CHECK(zero_of("side") == 4);
  CHECK(zero_of("d") == 0);     // a ReLU after the sum of signed codes
  CHECK(zero_of("e") == 4);     // max-pooled
  CHECK(zero_of("mean") == 4);  // of signed codes
  CHECK(zero_of("fc") == 0);    // the last unit has no codes

  // Padding and shortcuts of the integer layers agree.
  const IntModel model = lower(student, student.unit_count());
  CHECK(model.layers[4].add_zero == 4);
  CHECK(model.layers[2].input == 0);
  CHECK(model.layers[5].pad_code[0] == 4);
  CHECK(model.layers[9].bias[0] == -4 * 4);  // average of 2×2 codes
  check_model(model, "branched");
}

TEST_CASE("branches, groups and signed codes: simulation and engines are one", "[branched]") {
  const Dataset data = tiny::images(9, 2);
  for (int bits = 1; bits <= 8; ++bits) {
    Student student = branched_student(bits, bits, 10 + static_cast<std::uint64_t>(bits));
    const IntModel model = lower(student, student.unit_count());
    for (const char* algorithm : {"ref", "auto", "direct"}) {
      const Mismatch mismatch = compare_with_simulation(student, model, data, 4, algorithm);
      INFO("bits " << bits << " " << algorithm << " layer " << mismatch.layer << " index "
                   << mismatch.index << ": " << mismatch.simulated << " vs " << mismatch.integer);
      CHECK(mismatch.count == 0);
    }
    for (const std::size_t k : {std::size_t{1}, std::size_t{4}, std::size_t{9}}) {
      IntModel changed = lower(student, student.unit_count());
      changed.layers[k].bias = changed.layers[k].bias.clone();
      // Up in some channels, down in others: one that is saturated anyway would not show it.
      for (std::int64_t c = 0; c < changed.layers[k].shape.K; ++c) {
        changed.layers[k].bias[c] += c % 2 == 0 ? 1 << 20 : -(1 << 20);
      }
      measure_bounds(changed.layers[k]);
      CHECK(compare_with_simulation(student, changed, data, 4).layer == static_cast<int>(k));
    }
  }
}

TEST_CASE("a branched model survives its container, and says version 2", "[branched]") {
  Student student = branched_student(4, 4, 3);
  const IntModel model = lower(student, student.unit_count());
  Container file("integer-model");
  store_model(model, file);
  const test::TemporaryDirectory scratch;
  file.save(scratch.path("m.safetensors"));
  const Container stored = Container::load(scratch.path("m.safetensors"), "integer-model");
  const IntModel loaded = load_model(stored);
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    CHECK(loaded.layers[k].input == model.layers[k].input);
    CHECK(loaded.layers[k].shape.groups == model.layers[k].shape.groups);
    CHECK(loaded.layers[k].zero_point == model.layers[k].zero_point);
    CHECK(loaded.layers[k].add_zero == model.layers[k].add_zero);
  }
  const Dataset data = tiny::images(4, 4);
  CHECK(compare_with_simulation(student, loaded, data, 4).count == 0);
}

TEST_CASE("real values: a signed unit's codes stand for the teacher's activation", "[branched]") {
  // At 8 bits everywhere the student of folded weights is close to the teacher, unit by unit, also
  // where values are negative: a wrong zero point anywhere would show as noise.
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher(branched_network());
  for (const bool per_channel : {false, true}) {
    StudentOptions options;
    options.weight_bits = options.activation_bits = 8;
    const IntModel model = folded_baseline(teacher, tiny::normalization(), train_data(), 256,
                                           per_channel, StepMethod::mse, options);
    const double top1 = evaluate_integer(model, held_out_data(), 32).top1_percent();
    const double wanted =
        evaluate_float(teacher, tiny::normalization(), held_out_data(), 32).top1_percent();
    CHECK(wanted > 80.0);
    CHECK(top1 >= wanted - 2.0);
  }
}

TEST_CASE("signed codes pass gradients between their bounds, LSQ's for the step", "[branched]") {
  Student student = branched_student(4, 2, 9);
  const int k = 1;  // "side": codes −2 … 1
  StudentUnit& unit = student.unit(k);
  Tape tape;
  TensorF x({1, 8, 8, 6});
  const Rng rng(2);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 4));
  const Var in = tape.input(x);
  const Var step = tape.constant(TensorF::full({1}, static_cast<float>(student.in_step(k))));
  const SimulatedUnit simulated =
      simulate_unit(tape, student, k, in, step, nullptr, nullptr, SimulationMode{true, false});
  const TensorF z = simulated.z->value.clone();
  const TensorF codes = simulated.codes->value.clone();
  const Var y = scale(tape, simulated.codes, tape.parameter(unit.out_step));
  TensorF target = y->value.clone();
  for (std::int64_t i = 0; i < target.size(); ++i)
    target[i] -= 0.5f * static_cast<float>(target.size());
  tape.backward(mse(tape, y, target));  // upstream gradient 1 everywhere
  const float s = unit.out_step.value[0];
  double expected = 0.0;
  bool negative = false;
  for (std::int64_t i = 0; i < z.size(); ++i) {
    const double u = static_cast<double>(z[i] / s);
    expected += u <= -2.0 ? -2.0 : u >= 1.0 ? 1.0 : static_cast<double>(codes[i]) - u;
    negative |= codes[i] < 0.0f;
  }
  CHECK(negative);
  CHECK(unit.out_step.grad[0] == Approx(expected).epsilon(1e-3).margin(1e-3));
}

TEST_CASE("normalization is folded into the channels of each group", "[branched]") {
  FloatNetwork net(branched_network(), Rng(3));
  const Normalization norm = tiny::normalization();
  const FoldedUnit folded = fold_batch_norm(net, 0, &norm);
  const TensorF& w = net.unit(0).weight.value;  // [6][3][3][1], two groups
  const double gain = 1.0 / std::sqrt(1.0 + 1e-5);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const float std_dev = norm.std_dev[i < w.size() / 2 ? 0 : 1];
    CHECK(folded.weight[i] == Approx(gain * static_cast<double>(w[i] / std_dev)));
  }
}

TEST_CASE("a network with branches is distilled and stays exact", "[branched]") {
  const Quiet quiet;
  FloatNetwork teacher = trained_teacher(branched_network());
  const Normalization norm = tiny::normalization();
  const double wanted = evaluate_float(teacher, norm, held_out_data(), 64).top1_percent();
  for (const int window : {1, 3, 0}) {
    DistillOptions options = quick_options(3);
    options.window = window;
    Tandem tandem(teacher, norm, train_data(), held_out_data(), options, {});
    REQUIRE(tandem.run());
    const IntModel model = lower(tandem.student(), tandem.student().unit_count());
    const Mismatch mismatch = compare_with_simulation(tandem.student(), model, held_out_data(), 50);
    CHECK(mismatch.count == 0);
    const double top1 = evaluate_integer(model, held_out_data(), 64).top1_percent();
    INFO("window " << window << ", teacher " << wanted);
    CHECK(top1 > wanted - 10.0);
  }
}
