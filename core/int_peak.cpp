#include "core/int_peak.hpp"

#include <chrono>

#include "core/cpu.hpp"

namespace intandem {

double int8_peak_gops() {
  double sum = 0.0;
#if defined(__x86_64__)
  if (active_isa() < Isa::avx2) return 0.0;
  const auto run_dot = active_isa() >= Isa::avx512vnni ? run_dot_avx512vnni : run_dot_avx2;
#pragma omp parallel reduction(+ : sum)
  {
    std::int32_t sink = 0;
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t operations = run_dot(300000, &sink);
    const std::chrono::duration<double, std::nano> elapsed =
        std::chrono::steady_clock::now() - start;
    sum += static_cast<double>(operations) / elapsed.count();
  }
#endif
  return sum;
}

}  // namespace intandem
