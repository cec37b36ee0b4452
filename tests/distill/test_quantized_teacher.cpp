// Quantized teachers with float batch norm: forward, gradients, containers, and distilling from
// one.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/container.hpp"
#include "distill/evaluate.hpp"
#include "distill/local_init.hpp"
#include "distill/tandem.hpp"
#include "distill/teacher.hpp"
#include "nn/ops.hpp"
#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "quant/lsq.hpp"
#include "quant/quantized_network.hpp"
#include "tests/distill/tiny_distill.hpp"

using namespace intandem;
using tiny::Quiet;

namespace {

const std::vector<std::pair<std::string, std::string>> kChoices{{"lsq", "lsq"},
                                                                {"dorefa", "pact"},
                                                                {"dorefa", "dorefa"},
                                                                {"uniform", "uniform"},
                                                                {"wage", "wage"}};

QuantizerOptions quantizers(const std::string& weights, const std::string& activations, int bits) {
  QuantizerOptions options;
  options.weight_quantizer = weights;
  options.activation_quantizer = activations;
  options.weight_bits = options.activation_bits = bits;
  return options;
}

TeacherOptions teacher_options(const QuantizerOptions& chosen) {
  TeacherOptions options;
  options.epochs = 2;
  options.batch = 32;
  options.lr = 0.05;
  options.sgd.weight_decay = 1e-4f;
  options.quantizers = chosen;
  return options;
}

const Split& split() {
  static const Split parts{tiny::images(256, 41), tiny::images(96, 42)};
  return parts;
}

const Normalization& norm() {
  static const Normalization value = tiny::normalization();
  return value;
}

TeacherTrainer::Events no_events() {
  return {[](std::int64_t, double) { return false; }, [](const TeacherEpoch&) { return false; }};
}

TensorF logits(FloatNetwork& net) {
  return net.predict(normalize(split().held_out.images, norm()));
}

bool same(const TensorF& a, const TensorF& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

/// A network that was trained on one batch, so that its activations are fitted.
FloatNetwork quantized(const QuantizerOptions& chosen) {
  FloatNetwork net = tiny::teacher(3);
  auto hook = std::make_unique<QuantizedNetwork>(net.spec(), chosen);
  hook->fit_weights(net);
  net.set_hook(std::move(hook));
  FloatNetwork::Mode mode;
  mode.training = mode.train_parameters = true;
  Tape tape;
  std::vector<Var> values;
  net.forward(tape, 0, net.unit_count(), tape.constant(normalize(split().train.images, norm())),
              values, mode);
  return net;
}

}  // namespace

TEST_CASE("a quantized network: weights and outputs on their grids, batch norm in floats",
          "[quantizers]") {
  for (const auto& [weights, activations] : kChoices) {
    INFO(weights << "/" << activations);
    FloatNetwork net = quantized(quantizers(weights, activations, 3));
    FloatNetwork same_weights(net.spec(), Rng(1));
    for (int k = 0; k < net.unit_count(); ++k) {
      same_weights.unit(k) = net.unit(k);
      if (net.spec().units[static_cast<std::size_t>(k)].kind != UnitKind::avg_pool) {
        same_weights.unit(k).weight.value = net.product_weight(k);
      }
    }
    Tape tape;
    std::vector<Var> values, floats;
    const Var x = tape.constant(normalize(split().held_out.images, norm()));
    net.forward(tape, 0, net.unit_count(), x, values, {});
    // Unit 0 is a float unit with these weights, its output rounded to the grid.
    same_weights.forward(tape, 0, 1, x, floats, {});
    const auto grid = *teacher_output(net, 0);
    for (std::int64_t i = 0; i < values[0]->value.size(); ++i) {
      const double code =
          std::min(std::floor(static_cast<double>(floats[0]->value[i]) / grid.step + 0.5), 7.0);
      CHECK(std::abs(static_cast<double>(values[0]->value[i]) - grid.step * code) <
            1.001 * grid.step);  // a tie may fall either way in float
    }
    for (int k = 0; k + 1 < net.unit_count(); ++k) {
      const auto own = *teacher_output(net, k);
      for (const float v : values[static_cast<std::size_t>(k)]->value) {
        const double code = static_cast<double>(v) / own.step;
        CHECK(std::abs(code - std::round(code)) < 1e-3);
        CHECK(code < own.max_code + 0.5);
      }
    }
    CHECK_FALSE(teacher_output(net, net.unit_count() - 1));
  }
}

TEST_CASE("its weights get the quantizer's gradient of the product's, LSQ's step a scaled one",
          "[quantizers]") {
  FloatNetwork net(tiny::network(), Rng(2));
  const QuantizerOptions chosen = quantizers("lsq", "lsq", 3);
  auto hook = std::make_unique<QuantizedNetwork>(net.spec(), chosen);
  hook->fit_weights(net);
  QuantizedNetwork* quantizer = hook.get();
  net.set_hook(std::move(hook));
  LsqQuantizer reference(8, true, "s");  // first layer
  TensorF& w = net.unit(0).weight.value;
  reference.fit(w);
  TensorF g(w.shape());
  for (std::int64_t i = 0; i < g.size(); ++i) g[i] = Rng(9).normal(static_cast<std::uint64_t>(i));

  Tape tape;
  const Var quantized_weight = quantizer->weight(tape, 0, net.unit(0).weight, true);
  CHECK(same(quantized_weight->value, net.product_weight(0)));
  TensorF target = quantized_weight->value.clone();
  // mse's gradient is 2(x − t)/n.
  for (std::int64_t i = 0; i < g.size(); ++i)
    target[i] -= 0.5f * g[i] * static_cast<float>(g.size());
  tape.backward(mse(tape, quantized_weight, target));
  TensorF expected = TensorF::zeros(w.shape());
  reference.backward(w, reference.encode(w), g, expected);
  for (std::int64_t i = 0; i < g.size(); ++i)
    CHECK(net.unit(0).weight.grad[i] == Approx(expected[i]).epsilon(1e-4).margin(1e-4));
  const double scale = 1.0 / std::sqrt(static_cast<double>(w.size()) * 127.0);
  CHECK(quantizer->parameters().front()->grad[0] ==
        Approx(scale * static_cast<double>(reference.state()->grad[0])).epsilon(1e-3).margin(1e-4));
}

TEST_CASE("a quantized teacher learns, and saved and loaded is the same function", "[quantizers]") {
  const Quiet quiet;
  const std::string path = std::filesystem::temp_directory_path() /
                           ("intandem_teacher_" + std::to_string(::getpid()) + ".safetensors");
  for (const auto& [weights, activations] : kChoices) {
    INFO(weights << "/" << activations);
    TeacherTrainer trainer(tiny::network(), split(), norm(),
                           teacher_options(quantizers(weights, activations, 4)));
    REQUIRE(trainer.run(no_events()));
    ModelInfo info;
    info.class_names = {"a", "b", "c"};
    info.norm = norm();
    save_teacher(trainer.network(), info, path);
    Teacher loaded = load_teacher(path);
    CHECK(same(logits(loaded.net), logits(trainer.network())));
    CHECK(describe_quantizers(loaded.net) ==
          "W4A4 (" + weights + " weights, " + activations + " activations), batch norm");
    const double top1 = evaluate_float(loaded.net, norm(), split().held_out, 32).top1_percent();
    CHECK(top1 > 50.0);  // three classes: chance is 33
  }
  std::remove(path.c_str());
}

TEST_CASE("quantized training stopped and resumed gives the same teacher", "[quantizers]") {
  const Quiet quiet;
  for (const auto& [weights, activations] : kChoices) {
    INFO(weights << "/" << activations);
    const TeacherOptions options = teacher_options(quantizers(weights, activations, 2));
    TeacherTrainer whole(tiny::network(), split(), norm(), options);
    REQUIRE(whole.run(no_events()));
    TeacherTrainer first(tiny::network(), split(), norm(), options);
    auto events = no_events();
    events.on_step = [](std::int64_t step, double) { return step == 5; };
    REQUIRE_FALSE(first.run(events));
    Container file("checkpoint");
    first.store(file);
    TeacherTrainer second(tiny::network(), split(), norm(), options, &file);
    REQUIRE(second.run(no_events()));
    CHECK(same(logits(second.network()), logits(whole.network())));
  }
}

TEST_CASE("training starts from another teacher's weights", "[quantizers]") {
  const Quiet quiet;
  FloatNetwork teacher = tiny::trained_teacher();
  Container file("teacher");
  store_network(teacher, file);
  TeacherOptions options = teacher_options(quantizers("lsq", "lsq", 8));
  TeacherTrainer trainer(tiny::network(), split(), norm(), options, nullptr, &file);
  for (int k = 0; k < teacher.unit_count(); ++k) {
    CHECK(same(trainer.network().unit(k).weight.value, teacher.unit(k).weight.value));
    CHECK(same(trainer.network().unit(k).bn.running_var, teacher.unit(k).bn.running_var));
  }
  CHECK_THROWS_WITH(TeacherTrainer(tiny::network(false), split(), norm(), options, nullptr, &file),
                    Catch::Contains("another network"));
}

TEST_CASE("distilling a quantized teacher: its grid, its folded codes, alpha as it was fixed",
          "[quantizers]") {
  const Quiet quiet;
  TeacherTrainer trainer(tiny::network(), split(), norm(),
                         teacher_options(quantizers("dorefa", "dorefa", 4)));
  REQUIRE(trainer.run(no_events()));
  FloatNetwork& teacher = trainer.network();
  const FoldedUnit folded = fold_batch_norm(teacher, 1, nullptr);
  const FloatUnit& unit = teacher.unit(1);
  const TensorF w = teacher.product_weight(1);
  const std::int64_t row = w.size() / w.dim(0);
  for (std::int64_t i = 0; i < w.size(); ++i) {
    const double gain = static_cast<double>(unit.gamma.value[i / row]) /
                        std::sqrt(static_cast<double>(unit.bn.running_var[i / row]) +
                                  static_cast<double>(unit.bn.epsilon));
    CHECK(folded.weight[i] == Approx(gain * static_cast<double>(w[i])));
  }

  DistillOptions options = tiny::quick_options(4);
  options.student.weight_quantizer = options.student.activation_quantizer = "dorefa";
  options.fix_alpha = true;
  std::vector<double> alphas;  // as the local init of each stage left them
  TandemHooks hooks;
  const Tandem* running = nullptr;
  hooks.log = [&](const TandemEvent& event) {
    if (event.joint || event.eval > 0) return;
    alphas.push_back(static_cast<double>(
        const_cast<Tandem*>(running)->student().unit(event.stage).alpha.value[0]));
  };
  Tandem tandem(teacher, norm(), split().train, split().held_out, options, hooks);
  running = &tandem;
  REQUIRE(tandem.run());
  Student& student = tandem.student();
  for (int k = 0; k < student.unit_count(); ++k) {
    if (!student.is_last(k)) {
      CHECK(static_cast<double>(student.unit(k).out_step.value[0]) ==
            Approx(teacher_output(teacher, k)->step));
    }
    CHECK(static_cast<double>(student.unit(k).alpha.value[0]) ==
          alphas[static_cast<std::size_t>(k)]);
  }
  const IntModel model = lower(student, student.unit_count());
  CHECK(compare_with_simulation(student, model, split().held_out, 32).count == 0);
}
