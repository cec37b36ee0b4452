#include "core/machine_peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/dispatch.hpp"
#include "core/parallel.hpp"
#include "core/tensor.hpp"

namespace intandem {

std::int64_t run_fma_ref(std::int64_t rounds, float* sink) {
  constexpr int kLanes = 32;
  float sum[kLanes] = {};
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (int j = 0; j < kLanes; ++j) sum[j] = sum[j] * 0.5f + 1.0f;
  }
  for (int j = 0; j < kLanes; ++j) *sink += sum[j];
  return rounds * kLanes * 2;
}

namespace {

using FmaRun = std::int64_t (*)(std::int64_t, float*);

FmaRun fma_run() {
  static constexpr KernelRow<FmaRun> kTable[] = {
#if defined(__x86_64__)
    {Isa::avx512, run_fma_avx512},
    {Isa::avx2, run_fma_avx2},
#endif
    {Isa::ref, run_fma_ref},
  };
  return choose_kernel(kTable);
}

double timed_gflops(FmaRun run, std::int64_t rounds) {
  float sink = 0.0f;
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t operations = run(rounds, &sink);
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  return static_cast<double>(operations) / elapsed.count();
}

}  // namespace

double peak_gflops() {
  double best = 0.0;
  for (int i = 0; i < 10; ++i) best = std::max(best, timed_gflops(fma_run(), 300000));
  return best;
}

double peak_gflops_all_threads() {
  double sum = 0.0;
#pragma omp parallel reduction(+ : sum)
  sum += timed_gflops(fma_run(), 300000);
  return sum;
}

double copy_gbytes_per_s(std::int64_t floats) {
  const TensorF from = TensorF::full({floats}, 1.0f);
  TensorF to = TensorF::zeros({floats});
  double best_s = 1e30;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(floats, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin,
                  static_cast<std::size_t>(end - begin) * sizeof(float));
    });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best_s = std::min(best_s, elapsed.count());
  }
  return 8e-9 * static_cast<double>(floats) / best_s;
}

}  // namespace intandem
