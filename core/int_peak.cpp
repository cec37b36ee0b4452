#include "core/int_peak.hpp"

#include <chrono>

#include "core/cpu.hpp"

namespace intandem {

double int8_peak_gops() {
  double sum = 0.0;
#if defined(__x86_64__)
  if (active_isa() < Isa::avx2) return 0.0;
  const Isa isa = active_isa();
  const auto run_dot = isa >= Isa::amx          ? run_dot_amx
                       : isa >= Isa::avx512vnni ? run_dot_avx512vnni
                                                : run_dot_avx2;
  // About a millisecond each: a round of AMX is sixteen times as much work as the others' and more.
  const std::int64_t rounds = isa >= Isa::amx ? 50000 : 300000;
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
