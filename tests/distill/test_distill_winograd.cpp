// Distillation of a network large enough for Winograd in the teacher and in the gradients.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "distill/evaluate.hpp"
#include "distill/local_init.hpp"
#include "distill/stage_trainer.hpp"
#include "nn/conv/winograd/winograd.hpp"
#include "quant/lower.hpp"
#include "tests/restore_settings.hpp"

using namespace intandem;

namespace {

constexpr std::int64_t kBatch = 16;

NetworkSpec wide_network() {
  NetworkSpec spec{"wide", 12, 12, 3, 4, {}};
  UnitSpec conv1;
  conv1.name = "conv1";
  conv1.out = 64;
  conv1.kernel = 3;
  conv1.pad = 1;
  UnitSpec conv2 = conv1;
  conv2.name = "conv2";
  conv2.pool_kernel = conv2.pool_stride = 2;
  UnitSpec fc;
  fc.name = "fc";
  fc.kind = UnitKind::linear;
  fc.out = 4;
  fc.batch_norm = fc.relu = false;
  spec.units = {conv1, conv2, fc};
  return spec;
}

Dataset noise(std::uint64_t seed) {
  Dataset data;
  data.name = "noise";
  data.classes = 4;
  data.class_names = {"a", "b", "c", "d"};
  data.images = TensorU8({2 * kBatch, 12, 12, 3});
  const Rng rng(seed);
  for (std::int64_t i = 0; i < data.images.size(); ++i) {
    data.images[i] = static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(i), 256));
  }
  for (std::int64_t i = 0; i < 2 * kBatch; ++i) {
    data.labels.push_back(static_cast<std::int32_t>(i % 4));
  }
  return data;
}

/// The latents after two steps of every stage and of the joint phase.
std::vector<float> latents_after_training(int threads) {
  set_thread_count(threads);
  const Dataset data = noise(1);
  const Normalization norm = measure_normalization(data);
  FloatNetwork teacher(wide_network(), Rng(2));
  DistillOptions options;
  options.batch = kBatch;
  Student student(wide_network(), norm, options.student, Rng(3));
  Hybrid hybrid(teacher, student, 2 * kBatch);
  StageTrainer trainer(hybrid, options, data, data);
  for (int stage = 0; stage <= student.unit_count(); ++stage) {
    if (stage < student.unit_count()) {
      hybrid.freeze(stage);
      local_init(hybrid, stage, data, options);
    }
    trainer.begin(stage);
    trainer.train({ActionKind::train, stage, 0, 2}, 2, [] { return false; });
  }
  const IntModel model = lower(student, student.unit_count());
  CHECK(compare_with_simulation(student, model, data, kBatch).count == 0);
  std::vector<float> latents;
  for (int k = 0; k < student.unit_count(); ++k) {
    for (const Parameter* p : student.unit(k).parameters(true)) {
      latents.insert(latents.end(), p->value.begin(), p->value.end());
    }
  }
  return latents;
}

}  // namespace

TEST_CASE(
    "with Winograd in teacher and gradients: the same bits for 1 and 2 threads, still exact") {
  const RestoreSettings restore;
  Progress::set_quiet(true);
  ConvShape conv2 = infer_geometry(wide_network())[1].shape;
  conv2.N = kBatch;
  for (const ConvPass pass :
       {ConvPass::forward, ConvPass::data_gradient, ConvPass::weight_gradient}) {
    REQUIRE(winograd_pays(conv2, pass));
  }
  const std::vector<float> one = latents_after_training(1), two = latents_after_training(2);
  CHECK(one == two);
  CHECK(std::all_of(one.begin(), one.end(), [](float v) { return std::isfinite(v); }));
  Progress::set_quiet(false);
}
