// What `make bench BENCH_ARGS="…"` selects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cpu.hpp"

namespace intandem::bench {

struct BenchOptions {
  std::vector<std::int64_t> batches = {1};     ///< --batch=1,16,64 (integer layers)
  std::vector<std::int32_t> bits = {8, 4, 2};  ///< --bits=8,4,2
  std::vector<std::string> networks;           ///< --network=vgg16,… files of bench/shapes; all
  std::vector<Isa> isas;                       ///< --isa=ref,avx2,…; default: AVX2 and the best
  std::string directory = "build/bench";       ///< --out=DIR: bench.json and the plots
};

/// Takes its own options out of argv and leaves Google Benchmark's. Error (usage) for a value that
/// does not parse or an instruction set the CPU lacks.
BenchOptions take_options(int& argc, char** argv);

/// Adds the benchmarks of int_layers.cpp.
void register_int_layers(const BenchOptions& options);

}  // namespace intandem::bench
