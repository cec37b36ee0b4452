// int_layers/<network>/<layer>/b<batch>/W<bits>A<bits>/<algorithm>/<hot|cold> for the shapes of
// bench/shapes/*.txt: every fast algorithm that admits the layer, checked against the reference
// before it is timed. GOPS count the products of the direct algorithm whatever is executed. Linear
// layers are run at batch 1 with cold caches too: that is how their weights are met in a network.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "bench/int_peak.hpp"
#include "bench/measure.hpp"
#include "bench/shapes.hpp"
#include "core/error.hpp"
#include "core/memory.hpp"
#include "core/rng.hpp"
#include "quant/integer/plan.hpp"

namespace intandem::bench {
namespace {

struct Case {
  ConvShape shape;  // N is the batch
  std::int32_t bits;
  std::string algorithm;
  CacheState cache;
};

IntLayer random_layer(const Case& c) {
  const Rng rng = Rng(1).stream("int_layers");
  IntLayer layer;
  layer.name = c.algorithm;
  layer.shape = c.shape;
  layer.shape.N = 1;
  layer.kind = c.shape.is_linear() ? IntLayerKind::linear : IntLayerKind::conv;
  layer.weight_bits = c.bits;
  layer.in_max = layer.max_code = (1 << c.bits) - 1;
  const std::int32_t half = 1 << (c.bits - 1);
  const ConvShape& s = layer.shape;
  layer.weights =
      TensorS8(layer.kind == IntLayerKind::linear ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.C});
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    const std::uint32_t u = rng.below(static_cast<std::uint64_t>(i), 2 * half - 1);
    layer.weights[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(u) - half + 1);
  }
  layer.bias = TensorS32::zeros({s.K});
  layer.pad_code = TensorU8::zeros({s.C});
  measure_bounds(layer);
  Multiplier scale{16384, 1};
  while (scale.n < kMaxShift && ((layer.bound / 8 * scale.m) >> scale.n) > layer.max_code)
    ++scale.n;
  layer.scale = {scale};
  return layer;
}

std::vector<std::uint8_t> random_codes(std::int64_t size, std::int32_t largest) {
  const Rng rng = Rng(2).stream("codes");
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<std::uint8_t>(rng.below(i, static_cast<std::uint32_t>(largest) + 1));
  }
  return codes;
}

/// A prepared layer with its operands for N images.
class Workload {
 public:
  Workload(std::unique_ptr<PreparedLayer> prepared, const IntLayer& layer, std::int64_t N,
           const std::vector<std::uint8_t>& input)
      : prepared_(std::move(prepared)),
        codes_(static_cast<std::size_t>(N * layer.output_size())),
        scratch_(allocate_aligned(static_cast<std::size_t>(prepared_->scratch_bytes(N)))) {
    args_.N = N;
    args_.input = input.data();
    args_.codes = codes_.data();
    args_.scratch = scratch_.get();
  }
  void run() const { prepared_->run(args_); }
  const std::vector<std::uint8_t>& codes() const { return codes_; }

 private:
  std::unique_ptr<PreparedLayer> prepared_;
  std::vector<std::uint8_t> codes_;
  std::shared_ptr<std::byte> scratch_;
  LayerRun args_;
};

void run_int_layer(benchmark::State& state, const Case& c) {
  const IntLayer layer = random_layer(c);
  const std::int64_t N = c.shape.N;
  const auto input = random_codes(N * layer.shape.H * layer.shape.W * layer.shape.C, layer.in_max);
  auto prepared = prepare_exactly(layer, c.algorithm);
  if (prepared == nullptr) {
    state.SkipWithError("not admissible on this instruction set");
    return;
  }
  const std::string name = prepared->algorithm();
  const Workload fast(std::move(prepared), layer, N, input);
  const Workload reference(prepare_reference(layer), layer, 1, input);
  fast.run();
  reference.run();  // one image: the others follow from independence of the batch, which is tested
  if (!std::equal(reference.codes().begin(), reference.codes().end(), fast.codes().begin())) {
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
