// The tandem on a small problem: whole runs, windows, and resuming.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/parallel.hpp"
#include "distill/evaluate.hpp"
#include "distill/folded_baseline.hpp"
#include "distill/tandem.hpp"
#include "quant/lower.hpp"
#include "tests/distill/tiny_distill.hpp"

using namespace intandem;
using namespace intandem::tiny;

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
  CHECK(improved >= 3);
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
  for (const double db : layer_sqnr_db(teacher, tandem.student(), held_out_data(), 50)) {
    CHECK(db > 3.0);  // far below the teacher's activations, else nothing was learned
  }
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
