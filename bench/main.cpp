// All micro-benchmarks in one program (Google Benchmark), with a table, JSON and plots of its own:
// docs/benchmarks.md. Float benchmarks register themselves; integer layers depend on the options.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "bench/bench_options.hpp"
#include "bench/report.hpp"
#include "core/error.hpp"

namespace {

// Enough for medians that hold; the whole default run takes a few minutes.
constexpr const char* kMinTime = "--benchmark_min_time=0.05";

std::vector<char*> with_default_time(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  bool given = false;
  for (const char* a : arguments) given = given || std::strstr(a, "--benchmark_min_time") == a;
  if (!given) arguments.push_back(const_cast<char*>(kMinTime));
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace intandem;
  try {
    const bench::BenchOptions options = bench::take_options(argc, argv);
    std::vector<char*> arguments = with_default_time(argc, argv);
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    bench::register_int_layers(options);
    bench::TableReporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
    if (!reporter.figures().empty()) bench::write_report(reporter.figures(), options.directory);
  } catch (const Error& e) {
    std::fprintf(stderr, "intandem: error: %s\n", e.what());
    return static_cast<int>(e.code());
  }
  return 0;
}
