// conv2d_f32/<network>/<layer>/<pass>/hot for the shapes of bench/shapes/*.txt
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "bench/measure.hpp"
#include "bench/shapes.hpp"
#include "core/error.hpp"
#include "core/tensor.hpp"
#include "nn/conv/conv2d.hpp"

namespace intandem::bench {
namespace {

enum class Pass { forward, data_gradient, weight_gradient };

void run_conv2d_f32(benchmark::State& state, const ConvShape& s, Pass pass) {
  auto x = TensorF::full({s.N * s.H * s.W * s.C}, 0.5f);
  auto w = TensorF::full({s.K * s.reduction()}, 0.25f);
  auto y = TensorF::full({s.N * s.P() * s.Q() * s.K}, 0.125f);
  measure(state, CacheState::hot, 2.0 * static_cast<double>(s.macs()), [&] {
    switch (pass) {
      case Pass::forward:
        return conv2d_forward(s, x.data(), w.data(), nullptr, y.data());
      case Pass::data_gradient:
        return conv2d_backward_data(s, y.data(), w.data(), x.data());
      case Pass::weight_gradient:
        return conv2d_backward_weights(s, x.data(), y.data(), w.data(), nullptr);
    }
  });
}

void add(const NamedShape& named, Pass pass, const char* pass_name) {
  const std::string name =
      "conv2d_f32/" + named.network + "/" + named.layer + "/" + pass_name + "/hot";
  benchmark::RegisterBenchmark(name.c_str(), run_conv2d_f32, named.shape, pass)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  try {
    for (const NamedShape& named : read_all_shapes()) {
      add(named, Pass::forward, "forward");
      // The first layer's input needs no gradient.
      if (named.shape.C > 3) add(named, Pass::data_gradient, "data_gradient");
      add(named, Pass::weight_gradient, "weight_gradient");
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "intandem: error: %s\n", e.what());
    return false;
  }
  return true;
}();

}  // namespace
}  // namespace intandem::bench
