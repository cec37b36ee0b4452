// int_layers/<network>/<layer>/b<batch>/W<bits>A<bits>/<algorithm>/<hot|cold> for the shapes of
// bench/shapes/*.txt: every fast algorithm that admits the layer, checked against the reference
// before it is timed. GOPS count the products of the direct algorithm whatever is executed. Linear
// layers are run at batch 1 with cold caches too: that is how their weights are met in a network.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "bench/int_case.hpp"
#include "bench/measure.hpp"
#include "bench/shapes.hpp"
#include "core/error.hpp"
#include "core/int_peak.hpp"
#include "quant/integer/plan.hpp"

namespace intandem::bench {
namespace {

struct Case {
  ConvShape shape;  // N is the batch
  std::int32_t bits;
  std::string algorithm;
  CacheState cache;
};

void run_int_layer(benchmark::State& state, const Case& c) {
  const IntLayer layer = random_layer(c.shape, c.bits);
  const std::int64_t N = c.shape.N;
  const auto input = random_codes(N * layer.shape.H * layer.shape.W * layer.shape.C, layer.in_max);
  auto prepared = prepare_exactly(layer, c.algorithm);
  if (prepared == nullptr) {
    state.SkipWithError("not admissible on this instruction set");
    return;
  }
  const std::string name = prepared->algorithm();
  const Workload fast(std::move(prepared), layer, N, input);
  fast.run();
  const auto& exact = reference_codes(layer, input, layer.shape.str() + std::to_string(c.bits));
  if (!std::equal(exact.begin(), exact.end(), fast.codes().begin())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  measure(state, c.cache, 2.0 * static_cast<double>(c.shape.macs()), [&] { fast.run(); },
          {"GOPS", int8_peak_gops});
  state.SetLabel(name);
}

void add(const NamedShape& named, const Case& c) {
  const std::string bits = std::to_string(c.bits);
  const std::string name = "int_layers/" + named.network + "/" + named.layer + "/b" +
                           std::to_string(c.shape.N) + "/W" + bits + "A" + bits + "/" +
                           c.algorithm + (c.cache == CacheState::cold ? "/cold" : "/hot");
  benchmark::RegisterBenchmark(name.c_str(), run_int_layer, c)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

// Bit-widths for which an algorithm other than "direct" may be admissible; the others are skipped
// when run.
bool worth_listing(const ConvShape& s, std::int32_t bits, const std::string& algorithm) {
  if (algorithm == "ref") return false;
  if (algorithm == "packed2") return s.is_linear() && bits == 2;
  if (algorithm == "packed4") return s.is_linear() && bits == 4;
  if (algorithm.rfind("winograd", 0) == 0) {
    return s.R == 3 && s.S == 3 && s.stride == 1 && bits <= 4;
  }
  return algorithm == "direct";
}

const bool registered = [] {
  try {
    for (const NamedShape& named : read_all_shapes()) {
      for (const std::int32_t bits : {8, 4, 2}) {
        for (const Algorithm& algorithm : algorithms()) {
          if (!worth_listing(named.shape, bits, algorithm.name)) continue;
          Case c{named.shape, bits, algorithm.name, CacheState::hot};
          add(named, c);
          c.shape.N = 1;
          if (c.shape.is_linear()) c.cache = CacheState::cold;
          add(named, c);
        }
      }
    }
  } catch (const Error& e) {
    std::fprintf(stderr, "intandem: error: %s\n", e.what());
    return false;
  }
  return true;
}();

}  // namespace
}  // namespace intandem::bench
