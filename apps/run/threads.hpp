// How many threads a command works with.
#pragma once

#include <cstdint>

namespace intandem {

/// Sets the threads of all parallel loops to `wanted`, or with 0 to what OMP_NUM_THREADS or else
/// OpenMP says. Never more than the processors this process may keep busy (core/processors.hpp):
/// more only cost memory and time, and some thousands of them bring OpenMP down. A note on standard
/// error says when it is less than what was asked for.
void use_threads(std::int64_t wanted);

}  // namespace intandem
