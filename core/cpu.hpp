// Which instruction set the kernels use: found at start-up, overridable by INTANDEM_ISA. And what
// else of the CPU they are fitted to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace intandem {

/// Ordered: each value includes the ones before it.
enum class Isa : int {
  ref = 0,         ///< plain loops, any CPU
  avx2 = 1,        ///< AVX2 and FMA
  avx512 = 2,      ///< AVX-512 F, BW, DQ, VL
  avx512vnni = 3,  ///< the above and AVX-512 VNNI
  amx = 4,         ///< the above, AMX-TILE and AMX-INT8
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

/// On how many ports vectors of 64 bytes are added, shifted and combined; two of them multiply and
/// permute.
enum class VectorPorts {
  two,         ///< Intel
  four,        ///< AMD family 26 (Zen 5)
  four_halves  ///< AMD family 25 (Zen 4): each vector passes its port twice, so half as many
               ///< products per cycle, which the caches keep up with whatever the tile
};

/// What planning and blocking go by besides the instruction set. Nothing of it changes a result of
/// the integer engine, nor the order of a sum anywhere.
struct CpuTraits {
  std::int64_t second_level_cache_bytes;  ///< of one core; 0 where the system does not say
  VectorPorts vector_ports;
  /// A stream from memory goes fastest when each line is asked for once, so far ahead, into the
  /// first-level cache; 0: twice, because a core can wait for more lines in its second-level cache.
  std::int64_t stream_ahead_bytes;
};

/// Those of this CPU, or what set_cpu_traits() said.
CpuTraits cpu_traits();

/// Overrides cpu_traits() for this process (tests). Layers made ready before keep their plan.
void set_cpu_traits(const CpuTraits& traits);

}  // namespace intandem
