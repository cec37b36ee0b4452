// Makes caches cold between measurements.
#pragma once

#include <cstdint>

namespace intandem::bench {

/// What sweep_caches() passes over: twice the last-level cache that the system states, at least
/// 128 MiB, at most 1 GiB.
std::int64_t sweep_bytes();

/// Reads and writes sweep_bytes() of other data, each thread of core/parallel.hpp a part of it, so
/// that neither shared nor private caches hold anything else afterwards.
void sweep_caches();

}  // namespace intandem::bench
