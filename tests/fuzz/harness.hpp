// What a fuzzing harness is. One file per harness, tests/fuzz/fuzz_NAME.cpp:
//
//     INTANDEM_FUZZ(NAME) {  // std::span<const std::uint8_t> input
//       read the input as the program would; return where it is refused with an Error
//     }
//
// Anything but an Error (another exception, a sanitizer's report, more than 2 s, an allocation
// above 1 GB) is a finding. `make fuzz` builds each into a libFuzzer program of its own with
// address and undefined-behaviour sanitizers and feeds it from tests/fuzz/seeds/NAME/; in the
// ordinary tests every harness reads its seeds once (test_seeds.cpp), so an input that once failed
// becomes a test by being put there.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <string>

#include "core/error.hpp"

namespace intandem::fuzz {

using Input = std::span<const std::uint8_t>;
using Harness = void (*)(Input);

/// All harnesses linked into the program, by name.
inline std::map<std::string, Harness>& harnesses() {
  static std::map<std::string, Harness> all;
  return all;
}

inline std::string text_of(Input input) { return {input.begin(), input.end()}; }

/// Ends the program as a finding: what was read is not what it should be.
[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

/// A regular file of the input's bytes that exists in memory only.
class MemoryFile {
 public:
  explicit MemoryFile(Input bytes) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto written = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
      if (written <= 0) fail("cannot write a file in memory");
      done += static_cast<std::size_t>(written);
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace intandem::fuzz

#if defined(INTANDEM_FUZZING)
#define INTANDEM_FUZZ_ENTRY(name)                                                     \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    try {                                                                             \
      fuzz_##name({data, size});                                                      \
    } catch (const ::intandem::Error&) {                                              \
    }                                                                                 \
    return 0;                                                                         \
  }
#else
#define INTANDEM_FUZZ_ENTRY(name)       \
  static const bool registered_##name = \
      ::intandem::fuzz::harnesses().emplace(#name, fuzz_##name).second;
#endif

/// Defines the harness `name`; the body follows.
#define INTANDEM_FUZZ(name)                               \
  static void fuzz_##name(::intandem::fuzz::Input input); \
  INTANDEM_FUZZ_ENTRY(name)                               \
  static void fuzz_##name(::intandem::fuzz::Input input)
