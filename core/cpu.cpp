#include "core/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <string>

#include "core/dispatch.hpp"
#include "core/error.hpp"

namespace intandem {
namespace {

#if defined(__x86_64__)
// CPUID 7.0, EDX; bits of XCR0 (XGETBV); arch_prctl(2) of Linux 5.16 and later.
constexpr unsigned kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
constexpr unsigned kTileState = 3u << 17;
constexpr long kRequestPermission = 0x1023, kTileData = 18;

bool may_use_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kAmxTile) == 0 || (edx & kAmxInt8) == 0) return false;
  unsigned enabled = 0, high = 0;  // XGETBV exists where AVX2 is usable
  __asm__("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
  if ((enabled & kTileState) != kTileState) return false;
#if defined(SYS_arch_prctl)
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

Isa detect() {
#if defined(__x86_64__)
  // GCC and clang check XGETBV as well as CPUID, so a disabled register state is respected.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::ref;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return Isa::avx2;
  }
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::avx512;
  return may_use_amx() ? Isa::amx : Isa::avx512vnni;
#else
  return Isa::ref;
#endif
}

Isa isa_from_environment() {
  const char* wanted = std::getenv("INTANDEM_ISA");
  if (wanted == nullptr || *wanted == '\0') return detected_isa();
  for (const Isa isa : kAllIsas) {
    if (isa_name(isa) != wanted) continue;
    if (isa_includes(detected_isa(), isa)) return isa;
    throw Error("INTANDEM_ISA", std::string("this CPU has no ") + wanted,
                "use " + std::string(isa_name(detected_isa())) + " or lower", ExitCode::usage);
  }
  throw Error("INTANDEM_ISA", std::string("unknown instruction set '") + wanted + "'",
              "use " + isa_names(), ExitCode::usage);
}

std::int64_t cache_bytes([[maybe_unused]] bool second) {
#ifdef _SC_LEVEL2_CACHE_SIZE
  return std::max<std::int64_t>(0,
                                sysconf(second ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL1_DCACHE_SIZE));
#else
  return 0;
#endif
}

struct Caches {
  std::atomic<std::int64_t> first_level_bytes{cache_bytes(false)};
  std::atomic<std::int64_t> second_level_bytes{cache_bytes(true)};
};
Caches& caches() {
  static Caches found;
  return found;
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
    case Isa::amx:
      return "amx";
  }
  return "?";
}

std::string isa_names() {
  std::string names;
  for (const Isa isa : kAllIsas) {
    names += isa == kAllIsas[0] ? "" : isa == std::end(kAllIsas)[-1] ? " or " : ", ";
    names += isa_name(isa);
  }
  return names;
}

Isa detected_isa() {
  static const Isa isa = detect();
  return isa;
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_active_isa(Isa isa) {
  if (!isa_includes(detected_isa(), isa)) {
    throw Error("INTANDEM_ISA", "this CPU has no " + std::string(isa_name(isa)),
                "use " + std::string(isa_name(detected_isa())) + " or lower", ExitCode::usage);
  }
  active().store(isa, std::memory_order_relaxed);
}

std::string cpu_name() {
#if defined(__x86_64__)
  unsigned most = 0, r[12] = {};
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return "unknown";
  if (__get_cpuid(0x80000000, &most, &ebx, &ecx, &edx) == 0 || most < 0x80000004) return "unknown";
  for (unsigned i = 0; i < 3; ++i) {
    __get_cpuid(0x80000002 + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
  }
  std::string name(reinterpret_cast<const char*>(r), sizeof r);
  name.resize(std::min(name.find('\0'), name.size()));
  while (!name.empty() && name.back() == ' ') name.pop_back();
  while (!name.empty() && name.front() == ' ') name.erase(name.begin());
  for (char& c : name) c = c >= ' ' && c <= '~' ? c : '?';  // it is written to files
  const unsigned base = eax >> 8 & 15;
  const unsigned family = base == 15 ? base + (eax >> 20 & 255) : base;
  const unsigned model = (eax >> 4 & 15) + (base == 15 || base == 6 ? eax >> 12 & 0xF0 : 0);
  return name + " (family " + std::to_string(family) + ", model " + std::to_string(model) +
         ", stepping " + std::to_string(eax & 15) + ")";
#else
  return "unknown";
#endif
}

CacheSizes cache_sizes() {
  const Caches& now = caches();
  return {now.first_level_bytes, now.second_level_bytes};
}

void set_cache_sizes(const CacheSizes& wanted) {
  Caches& now = caches();
  now.first_level_bytes = wanted.first_level_bytes;
  now.second_level_bytes = wanted.second_level_bytes;
}

}  // namespace intandem
