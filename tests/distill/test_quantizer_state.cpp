// Every quantizer × (save, load, verify) and × (stop, resume): nothing it learned or fitted is
// lost.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>

#include "core/container.hpp"
#include "distill/evaluate.hpp"
#include "distill/tandem.hpp"
#include "quant/lower.hpp"
#include "tests/distill/tiny_distill.hpp"

using namespace intandem;
using tiny::all_latents;
using tiny::Quiet;

namespace {

std::string temporary_file() {
  return std::filesystem::temp_directory_path() /
         ("intandem_test_" + std::to_string(::getpid()) + ".safetensors");
}

struct Choice {
  std::string weights, activations;
  int bits;
};

/// Every quantizer of either kind, each at two bit-widths.
std::vector<Choice> choices() {
  std::vector<Choice> all;
  const auto activations = activation_quantizer_names();
  const auto weights = weight_quantizer_names();
  for (std::size_t i = 0; i < activations.size(); ++i) {
    all.push_back({weights[i % weights.size()], activations[i], 4});
    all.push_back({weights[(i + 1) % weights.size()], activations[i], 2});
  }
  return all;
}

DistillOptions options_of(const Choice& choice) {
  DistillOptions options;
  options.student.weight_quantizer = choice.weights;
  options.student.activation_quantizer = choice.activations;
  options.student.weight_bits = options.student.activation_bits = choice.bits;
  options.student.activation_range = 3.0;
  options.batch = 32;
  options.calibration_images = 64;
  options.epochs_per_stage = 0.5;
  options.evals_per_stage = 1;
  options.joint_epochs = 0.5;
  options.joint_evals = 1;
  return options;
}

}  // namespace

TEST_CASE("every quantizer: a distilled student saved and loaded has no mismatch", "[quantizers]") {
  const Quiet quiet;
  FloatNetwork teacher = tiny::teacher(5);
  const Dataset train = tiny::images(128, 31), held_out = tiny::images(64, 32);
  const std::string path = temporary_file();
  for (const Choice& choice : choices()) {
    INFO(choice.weights << " weights, " << choice.activations << " activations, " << choice.bits
                        << " bits");
    const DistillOptions options = options_of(choice);
    Tandem tandem(teacher, tiny::normalization(), train, held_out, options, {});
    REQUIRE(tandem.run());
    const IntModel model = lower(tandem.student(), tandem.student().unit_count());
    check_model(model, "test");
    Container file("student");
    store_student(tandem.student(), file);
    file.save(path);
    Student loaded = load_student(Container::load(path, "student"));
    CHECK(all_latents(loaded) == all_latents(tandem.student()));
    CHECK(loaded.options().weight_quantizer == choice.weights);
    CHECK(loaded.options().activation_quantizer == choice.activations);
    for (const char* algorithm : {"ref", "auto"}) {
      CHECK(compare_with_simulation(loaded, model, held_out, 32, algorithm).count == 0);
    }
  }
  std::remove(path.c_str());
}

TEST_CASE("every quantizer: stopped and resumed, the same model bit for bit", "[quantizers]") {
  const Quiet quiet;
  FloatNetwork teacher = tiny::teacher(6);
  const Dataset train = tiny::images(128, 33), held_out = tiny::images(64, 34);
  const std::string path = temporary_file();
  for (const Choice& choice : choices()) {
    INFO(choice.weights << " weights, " << choice.activations << " activations, " << choice.bits
                        << " bits");
    const DistillOptions options = options_of(choice);
    Tandem reference(teacher, tiny::normalization(), train, held_out, options, {});
    REQUIRE(reference.run());
    const int stop_after = choice.bits == 4 ? 3 : 13;  // in a stage, in the joint phase
    TandemHooks hooks;
    hooks.checkpoint_path = path;
    int steps = 0;
    hooks.should_stop = [&] { return ++steps == stop_after; };
    Tandem first(teacher, tiny::normalization(), train, held_out, options, hooks);
    REQUIRE_FALSE(first.run());
    Tandem second(teacher, tiny::normalization(), train, held_out, options, {});
    second.resume(Container::load(path, "checkpoint"));
    REQUIRE(second.run());
    CHECK(all_latents(second.student()) == all_latents(reference.student()));
  }
  std::remove(path.c_str());
}

TEST_CASE("quantizers per layer, and choices that make no sense", "[quantizers]") {
  StudentOptions options;
  options.overrides = "conv3=2/3:dorefa/pact,fc1=5/6";
  Student student(tiny::network(), tiny::normalization(), options, Rng(1));
  CHECK(student.unit(2).quantizer->name() == "dorefa");
  CHECK(student.unit(2).activation->name() == "pact");
  CHECK(student.unit(2).weight_bits == 2);
  CHECK(student.unit(4).quantizer->name() == "lsq");
  CHECK(student.unit(4).activation_bits == 6);
  CHECK_FALSE(student.unit(student.unit_count() - 1).activation);
  for (const char* bad : {"conv3=2/4,conv3=2/4", "conv3=2/3:lsq", "conv3=2/3:pact/lsq",
                          "conv3=2/3:lsq/nonesuch", "conv3=2/3:", "=2/3", "conv3=2/33"}) {
    options.overrides = bad;
    INFO(bad);
    CHECK_THROWS_AS(Student(tiny::network(), tiny::normalization(), options, Rng(1)), Error);
  }
  options.overrides.clear();
  options.weight_bits = 9;
  CHECK_THROWS_AS(Student(tiny::network(), tiny::normalization(), options, Rng(1)), Error);
  options.weight_bits = 4;
  options.weight_quantizer = "pact";  // clips activations
  CHECK_THROWS_WITH(Student(tiny::network(), tiny::normalization(), options, Rng(1)),
                    Catch::Contains("'pact'") && Catch::Contains("dorefa"));
  CHECK(weight_quantizer_of("pact") == "dorefa");
  for (const std::string& name : weight_quantizer_names()) {
    CHECK(make_weight_quantizer({4, 4, name, "lsq"}, {}, "s")->name() == name);
  }
  for (const std::string& name : activation_quantizer_names()) {
    CHECK(make_activation_quantizer({4, 4, "lsq", name}, {})->name() == name);
  }
}
