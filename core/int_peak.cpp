#include "core/int_peak.hpp"

#include <chrono>

#include "core/dispatch.hpp"

namespace intandem {

double int8_peak_gops() {
  double sum = 0.0;
#if defined(__x86_64__)
  using DotRun = std::int64_t (*)(std::int64_t, std::int32_t*);
  static constexpr KernelRow<DotRun> kTable[] = {
      {Isa::amx, run_dot_amx},
      {Isa::avx512vnni, run_dot_avx512vnni},
      {Isa::avx2, run_dot_avx2},
  };
  const DotRun run_dot = choose_kernel(kTable);
  if (run_dot == nullptr) return 0.0;
  // About a millisecond each: a round of AMX is sixteen times as much work as the others' and more.
  const std::int64_t rounds = run_dot == run_dot_amx ? 50000 : 300000;
#pragma omp parallel reduction(+ : sum)
  {
    std::int32_t sink = 0;
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t operations = run_dot(rounds, &sink);
    const std::chrono::duration<double, std::nano> elapsed =
        std::chrono::steady_clock::now() - start;
    sum += static_cast<double>(operations) / elapsed.count();
  }
#endif
  return sum;
}

}  // namespace intandem
