// Which instruction set the kernels use: found at start-up, overridable by INTANDEM_ISA. And the
// CPU's name and caches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace intandem {

/// What each of them extends: core/dispatch.hpp.
enum class Isa : int {
  ref = 0,         ///< plain loops, any CPU
  avx2 = 1,        ///< AVX2 and FMA
  avx512 = 2,      ///< AVX-512 F, BW, DQ, VL
  avx512vnni = 3,  ///< avx512 and AVX-512 VNNI
  amx = 4,         ///< avx512vnni, AMX-TILE and AMX-INT8
};

/// All of them, in their order.
inline constexpr Isa kAllIsas[] = {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vnni, Isa::amx};

/// "ref", "avx2", "avx512", "avx512vnni", "amx".
std::string_view isa_name(Isa isa);

/// The names of all instruction sets, for messages: "ref, avx2, … or amx".
std::string isa_names();

/// The best instruction set of this CPU, with the operating system's register state enabled. The
/// first call asks Linux for the use of tile registers, which a process must; if that is refused,
/// the CPU counts as one without AMX.
Isa detected_isa();

/// The instruction set in use: detected_isa(), or lower by the environment variable INTANDEM_ISA.
/// An unknown name, or one this CPU lacks, is a usage error.
Isa active_isa();

/// Overrides active_isa() for this process (tests and benchmarks); same errors.
void set_active_isa(Isa isa);

/// The CPU by its own name with family, model and stepping, which tell machines apart that share
/// one: "AMD EPYC (family 26, model 2, stepping 1)". "unknown" where it has none.
std::string cpu_name();

/// What blocking goes by; 0 where the system does not say. Nothing of it changes a result of the
/// integer engine, nor the order of a sum anywhere.
struct CacheSizes {
  std::int64_t first_level_bytes = 0;   ///< of data, of one core
  std::int64_t second_level_bytes = 0;  ///< of one core
};

/// Those of this CPU, or what set_cache_sizes() said.
CacheSizes cache_sizes();

/// Overrides cache_sizes() for this process (tests). Layers made ready before keep their blocking.
void set_cache_sizes(const CacheSizes& sizes);

}  // namespace intandem
