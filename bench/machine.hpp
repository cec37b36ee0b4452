// What a measurement was made on: the head of every JSON file of the benchmarks.
#pragma once

#include <nlohmann/json.hpp>

namespace intandem::bench {

/// cpu (its name), family, model, processors (that may be used), memory_gib, mhz (now, of the first
/// processor), caches ([{level, type, kib}] of the first processor), isa_detected, compiler,
/// commit, date (UTC), load_average (of the last minute), command (the environment's BENCH_COMMAND,
/// else this program's own command line). What the system does not say is left out.
nlohmann::json describe_machine();

}  // namespace intandem::bench
