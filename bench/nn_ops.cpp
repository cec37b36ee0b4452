// nn_ops/<operation>/<direction>/<size>: the memory-bound operations between convolutions, in GB/s
// of the traffic they cannot avoid, beside a plain copy with as many threads. hot_L3 tensors are
// 2 MiB, cold ones 64 MiB (larger than the caches); the caches hold what the previous run left.
#include <benchmark/benchmark.h>

#include <string>

#include "core/machine_peak.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"
#include "nn/ops.hpp"

namespace intandem::bench {
namespace {

struct Size {
  const char* name;
  std::int64_t images;  // of 32×32×64 floats, 256 KiB each
};
constexpr Size kSizes[] = {{"hot_L3", 8}, {"cold", 256}};

// One operation with everything it needs, on one activation.
struct Setup {
  explicit Setup(std::int64_t images) : x(TensorF::full({images, 32, 32, 64}, 0.5f)) {
    const Rng rng(1);
    for (std::int64_t i = 0; i < x.size(); ++i) x[i] = rng.uniform(static_cast<std::uint64_t>(i));
    state.running_mean = TensorF::zeros({64});
    state.running_var = TensorF::full({64}, 1.0f);
  }
  TensorF x;
  Parameter gamma{"gamma", TensorF::full({64}, 1.0f), false};
  Parameter beta{"beta", TensorF::full({64}, -0.5f), false};
  BatchNormState state;
};

using Operation = Var (*)(Tape& tape, const Var& x, Setup& setup);

Var run_batch_norm(Tape& tape, const Var& x, Setup& s) {
  return batch_norm(tape, x, tape.parameter(s.gamma), tape.parameter(s.beta), s.state, true, true);
}
Var run_batch_norm_pool(Tape& tape, const Var& x, Setup& s) {
  return batch_norm_pool(tape, x, tape.parameter(s.gamma), tape.parameter(s.beta), s.state, true,
                         true, 2, 2);
}
Var run_relu(Tape& tape, const Var& x, Setup&) { return relu(tape, x); }
Var run_max_pool(Tape& tape, const Var& x, Setup&) { return max_pool(tape, x, 2, 2); }

// tensors: passes over the full-sized activation that the direction cannot do without, pooled
// ones counted by their size.
void run(benchmark::State& state, Operation operation, bool backward, double tensors,
         std::int64_t images) {
  Setup setup(images);
  double total_s = 0.0;
  for (auto _ : state) {
    Tape tape;
    const Var x = tape.input(setup.x);
    const Stopwatch forward_watch;
    const Var y = operation(tape, x, setup);
    double seconds = forward_watch.seconds();
    if (backward) {
      const TensorF dy = TensorF::full(y->value.shape(), 1.0f);
      const Stopwatch backward_watch;
      y->backward(Node{y->value, dy, true, false, {}});
      seconds = backward_watch.seconds();
    }
    state.SetIterationTime(seconds);
    total_s += seconds;
  }
  const double gbytes = 4e-9 * tensors * static_cast<double>(setup.x.size());
  state.counters["GB/s"] = gbytes * static_cast<double>(state.iterations()) / total_s;
  state.counters["copy_GB/s"] = copy_gbytes_per_s(setup.x.size());
  state.counters["threads"] = thread_count();
}

void add(const char* name, Operation operation, double forward, double backward) {
  for (const Size& size : kSizes) {
    for (const bool back : {false, true}) {
      const std::string full =
          std::string("nn_ops/") + name + (back ? "/backward/" : "/forward/") + size.name;
      benchmark::RegisterBenchmark(full.c_str(), run, operation, back, back ? backward : forward,
                                   size.images)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

const bool registered = [] {
  add("batch_norm_relu", run_batch_norm, 3.0, 5.0);
  add("batch_norm_relu_pool2", run_batch_norm_pool, 2.0 + 0.5625, 2.0 + 0.8125);
  add("relu", run_relu, 2.0, 3.0);
  add("max_pool2", run_max_pool, 1.0 + 0.3125, 1.0 + 0.3125);
  return true;
}();

}  // namespace
}  // namespace intandem::bench
