// int_layers/<network>/<layer>/b<batch>/W<bits>A<bits>/<algorithm>/<isa>/<hot|cold> for the shapes
// of bench/shapes/*.txt: every algorithm that admits the layer on every instruction set asked for,
// checked against the reference before it is timed. GOPS count the products of the direct algorithm
// whatever is executed. At batch 1 linear layers run with cold caches: that is how their weights
// are met in a network.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/bench_options.hpp"
#include "bench/int_case.hpp"
#include "bench/measure.hpp"
#include "bench/shapes.hpp"
#include "core/dispatch.hpp"
#include "core/int_peak.hpp"
#include "quant/integer/plan.hpp"

namespace intandem::bench {
namespace {

struct Case {
  ConvShape shape;  // N is the batch
  std::int32_t bits;
  std::string algorithm;
  Isa isa;
  CacheState cache;
};

/// A layer and its input, kept until another one is asked for: neighbouring cases share them.
struct Operands {
  std::string key;
  IntLayer layer;
  std::vector<std::uint8_t> input;
};
const Operands& operands_of(const Case& c) {
  static Operands last;
  const std::string key = c.shape.str() + " W" + std::to_string(c.bits);
  if (last.key != key) {
    last.layer = random_layer(c.shape, c.bits);
    const ConvShape& s = c.shape;
    last.input = random_codes(s.N * s.H * s.W * s.C, last.layer.in_max);
    last.key = key;
  }
  return last;
}

/// Sets an instruction set and puts the old one back.
class WithIsa {
 public:
  explicit WithIsa(Isa isa) : before_(active_isa()) { set_active_isa(isa); }
  ~WithIsa() { set_active_isa(before_); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;

 private:
  Isa before_;
};

void run_int_layer(benchmark::State& state, const Case& c) {
  const WithIsa forced(c.isa);
  const Operands& operands = operands_of(c);
  auto prepared = prepare_exactly(operands.layer, c.algorithm);
  if (prepared == nullptr) {
    state.SkipWithError("not admissible");
    return;
  }
  const std::string name = prepared->algorithm();
  const Workload fast(std::move(prepared), operands.layer, c.shape.N, operands.input);
  fast.run();
  const auto& exact = reference_codes(operands.layer, operands.input,
                                      operands.layer.shape.str() + std::to_string(c.bits));
  if (!std::equal(exact.begin(), exact.end(), fast.codes().begin())) {
    state.SkipWithError("differs from the reference");
    return;
  }
  measure_median(state, c.cache, 2.0 * static_cast<double>(c.shape.macs()), [&] { fast.run(); },
                 {"GOPS", int8_peak_gops});
  state.SetLabel(name);
}

void add(const NamedShape& named, const Case& c) {
  const std::string bits = std::to_string(c.bits);
  const std::string name = "int_layers/" + named.network + "/" + named.layer + "/b" +
                           std::to_string(c.shape.N) + "/W" + bits + "A" + bits + "/" +
                           c.algorithm + "/" + std::string(isa_name(c.isa)) +
                           (c.cache == CacheState::cold ? "/cold" : "/hot");
  benchmark::RegisterBenchmark(name.c_str(), run_int_layer, c)
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

// What may be admissible; the rest of the question is answered when it is run.
bool worth_listing(const ConvShape& s, const Case& c) {
  if (c.isa == Isa::ref) return c.algorithm == "ref";
  if (c.algorithm == "binary") return c.bits == 1;
  if (c.algorithm.starts_with("packed2")) return s.is_linear() && c.bits <= 2;
  if (c.algorithm.starts_with("packed4")) return s.is_linear() && c.bits <= 4 && c.bits > 2;
  if (c.algorithm.starts_with("winograd")) {
    const bool wide = c.algorithm.ends_with("_s16"), strided = c.algorithm == "winograd3";
    return (s.R == 3 || (s.R == 5 && !strided)) && s.S == s.R && s.stride == (strided ? 2 : 1) &&
           (wide ? c.bits > 4 : c.bits <= 6);
  }
  if (c.algorithm == "direct_amx") return isa_includes(c.isa, Isa::amx);
  if (c.algorithm.starts_with("direct_rows")) {
    return !s.is_linear() &&
           (c.algorithm == "direct_rows16") == !isa_includes(c.isa, Isa::avx512vnni);
  }
  if (c.algorithm == "direct_tiles_ahead")
    return s.is_linear() && isa_includes(c.isa, Isa::avx512vnni);
  return c.algorithm == "direct_tiles";
}

void add_layer(const NamedShape& named, std::int64_t batch, const BenchOptions& options) {
  for (const std::int32_t bits : options.bits) {
    for (const Isa isa : options.isas) {
      for (const Algorithm& algorithm : algorithms()) {
        Case c{named.shape, bits, algorithm.name, isa, CacheState::hot};
        c.shape.N = batch;
        if (batch == 1 && c.shape.is_linear()) c.cache = CacheState::cold;
        if (worth_listing(c.shape, c)) add(named, c);
      }
    }
  }
}

}  // namespace

void register_int_layers(const BenchOptions& options) {
  const auto& wanted = options.networks;
  for (const std::int64_t batch : options.batches) {
    for (const NamedShape& named : read_all_shapes()) {
      if (wanted.empty() || std::count(wanted.begin(), wanted.end(), named.network) > 0) {
        add_layer(named, batch, options);
      }
    }
  }
}

}  // namespace intandem::bench
