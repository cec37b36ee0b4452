// What this machine can do at most, measured, so that every figure can be shown against it:
// fused multiply-adds on registers and copies through memory.
#pragma once

#include <cstdint>

namespace intandem {

/// GFLOPS of one thread running independent FMAs on registers, for active_isa() (on the reference
/// ISA: SSE2 multiplies and adds), best of several short runs; measured at each call (~20 ms).
double peak_gflops();

/// Sum over thread_count() threads running at once, one short run (~1 ms); call it between the
/// measurements it is compared with, for the clock and the load change.
double peak_gflops_all_threads();

/// GB/s of copying `floats` floats with all threads, read and written bytes counted; best of five.
double copy_gbytes_per_s(std::int64_t floats);

/// Run `rounds` rounds of independent multiply-adds; returns the operations done (2 per FMA lane).
/// The result goes to *sink so that nothing is optimized away.
std::int64_t run_fma_ref(std::int64_t rounds, float* sink);
#if defined(__x86_64__)
std::int64_t run_fma_avx2(std::int64_t rounds, float* sink);
std::int64_t run_fma_avx512(std::int64_t rounds, float* sink);
#endif

}  // namespace intandem
