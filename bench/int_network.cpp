#include "bench/int_network.hpp"

#include <cmath>

#include "bench/int_case.hpp"
#include "core/rng.hpp"
#include "nn/network.hpp"
#include "quant/integer/plan.hpp"
#include "quant/lower.hpp"
#include "quant/student.hpp"

namespace intandem::bench {
namespace {

constexpr std::int64_t kImages = 2;

/// Output codes of a layer for kImages images.
std::vector<std::uint8_t> run_codes(const IntLayer& layer, const std::vector<std::uint8_t>& input) {
  const Workload workload(prepare_layer(layer, "direct"), layer, kImages, input);
  workload.run();
  return workload.codes();
}

/// Root mean square of the accumulators for kImages images.
double accumulator_rms(IntLayer layer, const std::vector<std::uint8_t>& input) {
  layer.max_code = 0;
  layer.scale.clear();
  layer.pool_kernel = layer.pool_stride = 0;
  const auto prepared = prepare_layer(layer, "direct");
  const auto scratch = allocate_aligned(static_cast<std::size_t>(prepared->scratch_bytes(kImages)));
  std::vector<std::int32_t> acc(static_cast<std::size_t>(kImages * layer.output_size()));
  LayerRun run;
  run.N = kImages;
  run.input = input.data();
  run.accumulators = acc.data();
  run.scratch = scratch.get();
  prepared->run(run);
  double sum = 0.0;
  for (const std::int32_t a : acc) sum += static_cast<double>(a) * a;
  return std::sqrt(sum / static_cast<double>(acc.size()));
}

}  // namespace

IntModel random_alexnet(std::int32_t bits) {
  StudentOptions options;
  options.weight_bits = options.activation_bits = bits;
  const Normalization pixels{{0, 0, 0}, {1.0f, 1.0f, 1.0f}};
  Student student(make_network("alexnet", 1.0, 1000), pixels, options, Rng(1));
  std::vector<std::uint8_t> codes = random_codes(kImages * 224 * 224 * 3, 255);
  for (int k = 0; k + 1 < student.unit_count(); ++k) {
    const double rms = accumulator_rms(lower_unit(student, k), codes);
    student.unit(k).out_step.value[0] =
        static_cast<float>(3.0 * rms * quantize_unit(student, k).unit / student.max_code(k));
    codes = run_codes(lower_unit(student, k), codes);
  }
  return lower(student, student.unit_count());
}

}  // namespace intandem::bench
