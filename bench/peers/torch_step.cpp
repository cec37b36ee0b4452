// Training steps of cifar-alexnet-64, timed like bench/peers/torch_step.py: forward, cross entropy,
// backward, SGD with Nesterov momentum on random images, no dropout.
// Usage: torch_step BATCH STEPS THREADS   → one JSON object: seconds of each step after two to warm
// up.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/rng.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"

using namespace intandem;

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: torch_step BATCH STEPS THREADS\n");
    return 2;
  }
  const int batch = std::atoi(argv[1]), steps = std::atoi(argv[2]);
  set_thread_count(std::atoi(argv[3]));
  const Rng rng(1);
  NetworkSpec spec = make_network("cifar-alexnet-64", 1.0, 10);
  for (UnitSpec& unit : spec.units) unit.dropout = 0.0f;
  FloatNetwork net(spec, rng.stream("weights"));
  Sgd sgd(net.parameters(), {});
  TensorF images({batch, 32, 32, 3});
  for (std::int64_t i = 0; i < images.size(); ++i) {
    images[i] = rng.stream("images").normal(static_cast<std::uint64_t>(i));
  }
  std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 10);

  FloatNetwork::Mode mode;
  mode.training = mode.train_parameters = true;
  std::printf("{\"version\": \"%s\", \"threads\": %d, \"seconds\": [",
              isa_name(active_isa()).data(), thread_count());
  for (int step = 0; step < steps + 2; ++step) {
    const auto start = std::chrono::steady_clock::now();
    sgd.zero_grad();
    Tape tape;
    std::vector<Var> values(static_cast<std::size_t>(net.unit_count()));
    const Var logits = net.forward(tape, 0, net.unit_count(), tape.constant(images), values, mode);
    tape.backward(cross_entropy(tape, logits, labels, 0.0f));
    sgd.step(0.01f);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    if (step >= 2) std::printf("%s%.6f", step == 2 ? "" : ", ", elapsed.count());
  }
  std::printf("]}\n");
  return 0;
}
