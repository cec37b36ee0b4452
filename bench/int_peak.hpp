// The 8-bit dot-product peak, measured, so that integer figures can be shown against it.
#pragma once

#include <cstdint>

namespace intandem::bench {

/// GOPS (two per multiply-add) of all thread_count() threads running independent vpdpbusd on
/// registers at once, one run of about a millisecond; 0 if active_isa() has none.
double int8_peak_gops();

#if defined(__x86_64__)
/// Runs `rounds` rounds of independent dot products; returns the operations done. The result goes
/// to *sink so that nothing is optimized away.
std::int64_t run_dot_avx512vnni(std::int64_t rounds, std::int32_t* sink);
#endif

}  // namespace intandem::bench
