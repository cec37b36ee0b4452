// Training steps of one of our networks, timed like bench/peers/torch_step.py: forward, cross
// entropy, backward, SGD with Nesterov momentum, all on the same random images.
// Usage: torch_step NETWORK BATCH THREADS [winograd]. Prints one JSON line about itself; then, for
// every line with a number n on standard input, runs n steps and prints their seconds and the peak
// memory of the process. In between it sleeps, so that a rival can have the processors.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "core/cpu.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "nn/conv/winograd/winograd.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"

namespace {

using namespace intandem;

// The highest resident memory so far, in KiB (Linux: VmHWM of /proc/self/status).
long peak_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atol(line.c_str() + 6);
  }
  return 0;
}

// A network in training and all it is trained with.
class Trainer {
 public:
  Trainer(const std::string& name, int batch, std::int64_t classes)
      : net_(make_network(name, 1.0, classes), rng_.stream("weights")),
        sgd_(net_.parameters(), {}),
        images_({batch, net_.spec().height, net_.spec().width, net_.spec().channels}) {
    const Rng pixels = rng_.stream("images");
    for (std::int64_t i = 0; i < images_.size(); ++i) {
      images_[i] = pixels.normal(static_cast<std::uint64_t>(i));
    }
    for (int i = 0; i < batch; ++i) labels_.push_back(static_cast<std::int32_t>(i % classes));
    mode_.training = mode_.train_parameters = true;
  }

  std::int64_t parameters() {
    std::int64_t count = 0;
    for (const Parameter* p : net_.parameters()) count += p->value.size();
    return count;
  }

  void step() {
    mode_.rng = rng_.stream("dropout").stream(static_cast<std::uint64_t>(step_++));
    Tape tape;
    std::vector<Var> values;
    const Var logits =
        net_.forward(tape, 0, net_.unit_count(), tape.constant(images_), values, mode_);
    values.clear();
    tape.backward(cross_entropy(tape, logits, labels_, 0.0f));
    sgd_.step_and_zero_grad(0.01f);
  }

 private:
  Rng rng_{1};
  FloatNetwork net_;
  Sgd sgd_;
  TensorF images_;
  std::vector<std::int32_t> labels_;
  FloatNetwork::Mode mode_;
  std::int64_t step_ = 0;
};

void serve(Trainer& trainer) {
  std::printf("{\"version\": \"%s\", \"threads\": %d, \"parameters\": %lld}\n",
              isa_name(active_isa()).data(), thread_count(),
              static_cast<long long>(trainer.parameters()));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("{\"seconds\": [");
    for (int left = std::atoi(line.c_str()); left > 0; --left) {
      const auto start = std::chrono::steady_clock::now();
      trainer.step();
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      std::printf("%.6f%s", elapsed.count(), left > 1 ? ", " : "");
    }
    std::printf("], \"peak_memory_kib\": %ld}\n", peak_memory_kib());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && (argc != 5 || std::string(argv[4]) != "winograd")) {
    std::fprintf(stderr, "usage: torch_step NETWORK BATCH THREADS [winograd]\n");
    return 2;
  }
  try {
    set_thread_count(std::atoi(argv[3]));
    const UseWinograd winograd(argc == 5);
    const std::string name = argv[1];
    Trainer trainer(name, std::atoi(argv[2]), name == "alexnet" ? 1000 : 10);
    serve(trainer);
  } catch (const Error& error) {
    std::fprintf(stderr, "intandem: error: %s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
