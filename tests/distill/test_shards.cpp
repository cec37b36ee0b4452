// Training by shards: the same bits whatever the processes, and the whole batch's mathematics.
#include <catch2/catch.hpp>
#include <cmath>
#include <mutex>
#include <optional>
#include <vector>

#include "distill/evaluate.hpp"
#include "distill/tandem.hpp"
#include "distill/teacher.hpp"
#include "nn/gradient_reducer.hpp"
#include "quant/lower.hpp"
#include "quant/quantized_network.hpp"
#include "tests/core/process_threads.hpp"
#include "tests/distill/tiny_distill.hpp"

using namespace intandem;
using namespace intandem::tiny;
using core_test::run_shards;

namespace {

std::vector<float> state_of(FloatNetwork& net) {
  std::vector<float> all;
  for (const Parameter* p : net.parameters()) {
    all.insert(all.end(), p->value.begin(), p->value.end());
  }
  for (int k = 0; k < net.unit_count(); ++k) {
    for (const TensorF* t : {&net.unit(k).bn.running_mean, &net.unit(k).bn.running_var}) {
      all.insert(all.end(), t->begin(), t->end());
    }
  }
  return all;
}

struct Trained {
  std::vector<float> state;
  std::vector<double> losses;
  TeacherEpoch epoch;
};

/// By every shard; all must agree.
Trained train(int processes, int shards, TeacherOptions options, std::int64_t stop_after = 0) {
  options.epochs = 1;
  options.lr = 0.05;
  const Split split{train_data(), held_out_data()};
  const Normalization norm = tiny::normalization();
  std::mutex mutex;
  std::vector<Trained> all;
  run_shards(processes, shards, [&](Communicator& shard) {
    TeacherTrainer trainer(tiny::network(), split, norm, options, nullptr, nullptr, shard);
    Trained one;
    TeacherTrainer::Events events;
    // One shard alone wants to stop.
    const bool stopping = stop_after > 0 && shard.index() == shards - 1;
    events.on_step = [&](std::int64_t step, double loss) {
      one.losses.push_back(loss);
      return stopping && step == stop_after;
    };
    events.on_epoch = [&](const TeacherEpoch& epoch) {
      one.epoch = epoch;
      return false;
    };
    trainer.run(events);
    one.state = state_of(trainer.network());
    const std::lock_guard lock(mutex);
    all.push_back(std::move(one));
  });
  for (const Trained& one : all) {
    CHECK(one.state == all.front().state);
    CHECK(one.losses == all.front().losses);
    CHECK(one.epoch.held_out_correct == all.front().epoch.held_out_correct);
  }
  return all.front();
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// The latents of a short distillation, and the losses on the way.
std::vector<float> distil(int processes, int shards, std::vector<double>* losses = nullptr) {
  DistillOptions options = quick_options(3);
  options.epochs_per_stage = 0.25;
  options.evals_per_stage = 1;
  options.joint_epochs = 0.25;
  options.inner = 0.5;
  std::mutex mutex;
  std::vector<std::vector<float>> all;
  run_shards(processes, shards, [&](Communicator& shard) {
    FloatNetwork teacher = trained_teacher();
    TandemHooks hooks;
    hooks.log = [&](const TandemEvent& event) {
      if (!shard.is_first() || losses == nullptr) return;
      losses->push_back(event.training.total);
      losses->push_back(event.held_out.total);
    };
    Tandem tandem(teacher, tiny::normalization(), train_data(), held_out_data(), options, hooks,
                  shard);
    CHECK(tandem.run());
    const IntModel model = lower(tandem.student(), tandem.student().unit_count());
    CHECK(compare_with_simulation(tandem.student(), model, held_out_data(), 50, {}, shard).count ==
          0);
    const std::lock_guard lock(mutex);
    all.push_back(all_latents(tandem.student()));
  });
  for (const std::vector<float>& one : all) CHECK(one == all.front());
  return all.front();
}

}  // namespace

TEST_CASE("a teacher trained by shards has the same bits on any number of processes",
          "[distill][shards]") {
  const Quiet quiet;
  for (const bool synchronized : {false, true}) {
    TeacherOptions options;
    options.batch = 33;  // shards of 8, 8, 8 and 9 images
    options.synchronized_batch_norm = synchronized;
    const Trained one = train(1, 4, options);
    for (const int processes : {2, 3, 4}) {
      const Trained other = train(processes, 4, options);
      CHECK(other.state == one.state);
      CHECK(other.losses == one.losses);
      CHECK(other.epoch.held_out_correct == one.epoch.held_out_correct);
    }
  }
}

TEST_CASE("with synchronized batch norm, shards compute what one whole batch does",
          "[distill][shards]") {
  const Quiet quiet;
  TeacherOptions options;
  options.batch = 33;
  options.synchronized_batch_norm = true;
  const Trained whole = train(1, 1, options, 2), parts = train(2, 3, options, 2);
  REQUIRE(parts.losses.size() == 2);  // shard 2 stopped them all
  CHECK(std::abs(parts.losses[1] - whole.losses[1]) < 1e-4);
  CHECK(distance(whole.state, parts.state) < 1e-4);
  // Statistics of 11 images are others than those of 33.
  options.synchronized_batch_norm = false;
  CHECK(distance(whole.state, train(1, 3, options, 2).state) > 1e-3);
}

TEST_CASE("a quantized teacher's steps are the same on all shards", "[distill][shards]") {
  const Quiet quiet;
  TeacherOptions options;
  options.batch = 32;
  options.quantizers.emplace();
  const Trained one = train(1, 2, options);
  CHECK(train(2, 2, options).state == one.state);
}

TEST_CASE(
    "a student distilled by shards has the same bits on any number of processes, and the "
    "losses of the whole batch",
    "[distill][shards]") {
  const Quiet quiet;
  std::vector<double> whole, parts;
  distil(1, 1, &whole);
  const std::vector<float> one = distil(1, 3, &parts);
  CHECK(distil(3, 3) == one);
  CHECK(distil(2, 3) == one);
  REQUIRE(parts.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    INFO("loss " << i << ": " << whole[i] << " " << parts[i]);
    // Codes that round the other way now and then.
    CHECK(std::abs(parts[i] - whole[i]) <= 0.02 * std::abs(whole[i]) + 1e-6);
  }
}

TEST_CASE("a gradient is announced once it is complete, and reduced in the background",
          "[nn][shards]") {
  Parameter w("w", TensorF::full({1, 2}, 1.0f), true), v("v", TensorF::full({2, 2}, 0.5f), true);
  Parameter unused("unused", TensorF::full({3}, 1.0f), true);
  Tape tape;
  TensorF image({1, 2});
  image[0] = 1.0f, image[1] = 2.0f;
  const Var x = tape.constant(image);
  // v is read twice: its gradient is complete at the first of the two.
  const Var h =
      linear(tape, linear(tape, x, tape.parameter(v), nullptr), tape.parameter(v), nullptr);
  const Var y = linear(tape, h, tape.parameter(w), nullptr);
  std::vector<std::string> order;
  tape.backward(y,
                [&](Parameter& p) { order.push_back(p.name + " " + std::to_string(p.grad[0])); });
  // y = Σ_j w_j Σ_i v_ji h_i: dv_00 = w_0·h_0 + (w_0 v_00 + w_1 v_10)·x_0 = 1.5 + 1.
  REQUIRE(order.size() == 2);
  CHECK(order[0] == "w " + std::to_string(1.5f));
  CHECK(order[1] == "v " + std::to_string(2.5f));
}
