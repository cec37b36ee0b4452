#include "core/cpu.hpp"

#include <atomic>
#include <cstdlib>
#include <string>

#include "core/error.hpp"

namespace intandem {
namespace {

constexpr Isa kAllIsas[] = {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vnni};

Isa isa_from_environment() {
  const char* wanted = std::getenv("INTANDEM_ISA");
  if (wanted == nullptr || *wanted == '\0') return detected_isa();
  for (const Isa isa : kAllIsas) {
    if (isa_name(isa) != wanted) continue;
    if (isa <= detected_isa()) return isa;
    throw Error("INTANDEM_ISA", std::string("this CPU has no ") + wanted,
                "use " + std::string(isa_name(detected_isa())) + " or lower", ExitCode::usage);
  }
  throw Error("INTANDEM_ISA", std::string("unknown instruction set '") + wanted + "'",
              "use ref, avx2, avx512 or avx512vnni", ExitCode::usage);
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{isa_from_environment()};
  return isa;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::ref:
      return "ref";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512vnni:
      return "avx512vnni";
  }
  return "?";
}

Isa detected_isa() {
#if defined(__x86_64__)
  // GCC and clang check XGETBV as well as CPUID, so a disabled register state is respected.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::ref;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return Isa::avx2;
  }
  return __builtin_cpu_supports("avx512vnni") ? Isa::avx512vnni : Isa::avx512;
#else
  return Isa::ref;
#endif
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_active_isa(Isa isa) {
  if (isa > detected_isa()) {
    throw Error("INTANDEM_ISA", "this CPU has no " + std::string(isa_name(isa)),
                "use " + std::string(isa_name(detected_isa())) + " or lower", ExitCode::usage);
  }
  active().store(isa, std::memory_order_relaxed);
}

}  // namespace intandem
