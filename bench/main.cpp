// All micro-benchmarks in one program (Google Benchmark); every file registers its own.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/peak.hpp"
#include "core/cpu.hpp"
#include "core/parallel.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("isa", std::string(intandem::isa_name(intandem::active_isa())));
  benchmark::AddCustomContext("threads", std::to_string(intandem::thread_count()));
  benchmark::AddCustomContext("fma_peak_gflops_one_thread",
                              std::to_string(intandem::bench::peak_gflops()));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
