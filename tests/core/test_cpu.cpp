#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/dispatch.hpp"
#include "core/error.hpp"
#include "tests/restore_settings.hpp"

using namespace intandem;

namespace {

// What a fresh process with this INTANDEM_ISA prints: this program runs its hidden test below.
std::string isa_of_new_process(const std::string& value) {
  const std::string command = "unset INTANDEM_TEST_LOG; INTANDEM_ISA='" + value + "' exec /proc/" +
                              std::to_string(::getpid()) + "/exe '[.print-isa]'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  ::pclose(pipe);
  const std::size_t begin = output.find("isa<");
  const std::size_t end = output.find('>', begin);
  return begin == std::string::npos ? output : output.substr(begin + 4, end - begin - 4);
}

}  // namespace

TEST_CASE("prints the active instruction set", "[.print-isa]") {
  try {
    std::cout << "isa<" << isa_name(active_isa()) << ">\n";
    SUCCEED("printed");
  } catch (const Error& error) {
    std::cout << "isa<" << error.what() << ">\n";
    CHECK(error.code() == ExitCode::usage);
  }
}

TEST_CASE("instruction sets have names and an order", "[core][cpu]") {
  CHECK(isa_name(Isa::ref) == "ref");
  CHECK(isa_name(Isa::avx2) == "avx2");
  CHECK(isa_name(Isa::avx512) == "avx512");
  CHECK(isa_name(Isa::avx512vnni) == "avx512vnni");
  CHECK(isa_name(Isa::amx) == "amx");
  CHECK(isa_names() == "ref, avx2, avx512, avx512vnni or amx");
}

TEST_CASE("an instruction set includes itself and what it extends", "[core][cpu]") {
  for (const Isa isa : kAllIsas) {
    CHECK(isa_includes(isa, isa));
    CHECK(isa_includes(isa, Isa::ref));
  }
  CHECK(isa_includes(Isa::amx, Isa::avx2));
  CHECK(isa_includes(Isa::avx512vnni, Isa::avx512));
  CHECK_FALSE(isa_includes(Isa::avx512, Isa::avx512vnni));
  CHECK_FALSE(isa_includes(Isa::ref, Isa::avx2));
}

TEST_CASE("a table of kernels gives its first row that runs", "[core][cpu]") {
  constexpr KernelRow<int> kWhole[] = {{Isa::avx512vnni, 3}, {Isa::avx2, 2}, {Isa::ref, 1}};
  CHECK(choose_kernel(kWhole, Isa::amx) == 3);
  CHECK(choose_kernel(kWhole, Isa::avx512vnni) == 3);
  CHECK(choose_kernel(kWhole, Isa::avx512) == 2);
  CHECK(choose_kernel(kWhole, Isa::avx2) == 2);
  CHECK(choose_kernel(kWhole, Isa::ref) == 1);
  // The order of the rows is the preference, and no row is no kernel.
  constexpr KernelRow<int> kPart[] = {{Isa::avx2, 2}, {Isa::avx512, 4}};
  CHECK(choose_kernel(kPart, Isa::amx) == 2);
  CHECK(choose_kernel(kPart, Isa::ref) == 0);
}

TEST_CASE("set_active_isa goes down to ref and never beyond the CPU", "[core][cpu]") {
  const Isa before = active_isa();
  for (const Isa isa : kAllIsas) {
    if (isa_includes(detected_isa(), isa)) {
      set_active_isa(isa);
      CHECK(active_isa() == isa);
    } else {
      CHECK_THROWS_AS(set_active_isa(isa), Error);
    }
  }
  set_active_isa(before);
}

TEST_CASE("set_cache_sizes overrides what was found", "[core][cpu]") {
  const RestoreSettings restore;
  set_cache_sizes({1234, 123456});
  CHECK(cache_sizes().first_level_bytes == 1234);
  CHECK(cache_sizes().second_level_bytes == 123456);
}

TEST_CASE("the CPU's name is printable and tells its model", "[core][cpu]") {
  const std::string name = cpu_name();
  CHECK_FALSE(name.empty());
  CHECK(std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; }));
#if defined(__x86_64__)
  CHECK(name.find("(family ") != std::string::npos);
#endif
}

TEST_CASE("INTANDEM_ISA chooses the instruction set of a process", "[core][cpu]") {
  CHECK(isa_of_new_process("") == isa_name(detected_isa()));
  for (const Isa isa : kAllIsas) {
    const std::string name(isa_name(isa));
    if (isa_includes(detected_isa(), isa)) {
      CHECK(isa_of_new_process(name) == name);
    } else {
      CHECK_THAT(isa_of_new_process(name), Catch::Contains("this CPU has no " + name));
    }
  }
  CHECK_THAT(isa_of_new_process("sse9"), Catch::Contains("unknown instruction set 'sse9'"));
}
