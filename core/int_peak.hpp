// The 8-bit multiply-add peak, measured, so that integer figures can be shown against it.
#pragma once

#include <cstdint>

namespace intandem {

/// GOPS (two per multiply-add) of all thread_count() threads at once running the independent
/// 8-bit products that the kernels of active_isa() are made of, on registers: tdpbusd with AMX,
/// vpdpbusd with AVX-512 VNNI, vpmaddubsw with a 16-bit addition on AVX2 and AVX-512 without it
/// (the kernels must widen to 32 bits now and then, so they cannot reach this one). 0 on the
/// reference. One run of about a millisecond: call it between the measurements it is compared with,
/// for clock and load change.
double int8_peak_gops();

#if defined(__x86_64__)
/// Run `rounds` rounds of independent products; return the operations done. The result goes to
/// *sink so that nothing is optimized away.
std::int64_t run_dot_avx2(std::int64_t rounds, std::int32_t* sink);
std::int64_t run_dot_avx512vnni(std::int64_t rounds, std::int32_t* sink);
std::int64_t run_dot_amx(std::int64_t rounds, std::int32_t* sink);
#endif

}  // namespace intandem
