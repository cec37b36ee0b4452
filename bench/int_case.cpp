#include "bench/int_case.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "bench/sweep.hpp"
#include "core/rng.hpp"
#include "quant/integer/measure.hpp"

namespace intandem::bench {

IntLayer random_layer(const ConvShape& shape, std::int32_t bits) {
  const Rng rng = Rng(1).stream("int_layers");
  IntLayer layer;
  layer.name = "random";
  layer.shape = shape;
  layer.shape.N = 1;
  layer.kind = shape.is_linear() ? IntLayerKind::linear : IntLayerKind::conv;
  layer.weight_bits = bits;
  layer.in_max = layer.max_code = (1 << bits) - 1;
  const std::int32_t half = 1 << (bits - 1);
  const ConvShape& s = layer.shape;
  layer.weights =
      TensorS8(layer.kind == IntLayerKind::linear ? Shape{s.K, s.C} : Shape{s.K, s.R, s.S, s.C});
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const auto weight = bits == 1
                            ? 2 * static_cast<std::int32_t>(rng.below(at, 2)) - 1
                            : static_cast<std::int32_t>(rng.below(at, 2 * half - 1)) - half + 1;
    layer.weights[i] = static_cast<std::int8_t>(weight);
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

Workload::Workload(std::unique_ptr<PreparedLayer> prepared, const IntLayer& layer, std::int64_t N,
                   const std::vector<std::uint8_t>& input)
    : prepared_(std::move(prepared)),
      input_({static_cast<std::int64_t>(input.size())}),
      codes_({N * layer.output_size()}),
      scratch_(allocate_aligned(static_cast<std::size_t>(prepared_->scratch_bytes(N)))) {
  args_.N = N;
  std::copy(input.begin(), input.end(), input_.begin());
  args_.input = input_.data();
  args_.codes = codes_.data();
  args_.scratch = scratch_.get();
}

MeasuredLayer::MeasuredLayer(const IntLayer& layer, std::int64_t N)
    : layer_(layer),
      N_(N),
      cold_(N == 1 && layer.kind == IntLayerKind::linear),
      codes_({N * layer.output_size()}) {
  const ConvShape& s = layer.shape;
  const auto input = random_codes(N * s.H * s.W * s.C, layer.in_max);
  input_ = TensorU8({static_cast<std::int64_t>(input.size())});
  std::copy(input.begin(), input.end(), input_.begin());
}

std::int64_t MeasuredLayer::run_ns(const PreparedLayer& prepared) {
  const std::int64_t bytes = prepared.scratch_bytes(N_);
  if (bytes > scratch_bytes_) {
    scratch_ = allocate_aligned(static_cast<std::size_t>(bytes));
    scratch_bytes_ = bytes;
  }
  LayerRun run;
  run.N = N_;
  run.input = input_.data();
  run.codes = codes_.data();
  run.scratch = scratch_.get();
  if (cold_) sweep_caches();
  const auto start = std::chrono::steady_clock::now();
  prepared.run(run);
  const auto elapsed = std::chrono::steady_clock::now() - start;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
}

Candidate MeasuredLayer::choose() {
  IntModel model;
  model.layers.push_back(layer_);
  Plan plan{this_machine(N_), {}};
  std::vector<Candidate> chosen =
      prepare_measured(model, plan,
                       [&](const std::vector<const PreparedLayer*>& layers,
                           std::vector<std::int64_t>& ns) { ns[0] = run_ns(*layers[0]); });
  return std::move(chosen[0]);
}

const std::vector<std::uint8_t>& reference_codes(const IntLayer& layer,
                                                 const std::vector<std::uint8_t>& input,
                                                 const std::string& key) {
  static std::map<std::string, std::vector<std::uint8_t>> known;
  const auto [at, is_new] = known.try_emplace(key);
  if (is_new) {
    const Workload reference(prepare_reference(layer), layer, 1, input);
    reference.run();
    at->second = reference.codes();
  }
  return at->second;
}

}  // namespace intandem::bench
