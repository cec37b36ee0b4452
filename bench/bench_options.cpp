#include "bench/bench_options.hpp"

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/dispatch.hpp"
#include "core/error.hpp"

namespace intandem::bench {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

template <class Int>
std::vector<Int> numbers(const std::string& option, const std::string& text, Int least, Int most) {
  std::vector<Int> result;
  for (const std::string& part : split(text)) {
    char* end = nullptr;
    const long value = std::strtol(part.c_str(), &end, 10);
    if (part.empty() || *end != '\0' || value < least || value > most) {
      throw Error(option, "cannot use '" + part + "'",
                  "give numbers from " + std::to_string(least) + " to " + std::to_string(most) +
                      ", comma separated",
                  ExitCode::usage);
    }
    result.push_back(static_cast<Int>(value));
  }
  return result;
}

std::vector<Isa> instruction_sets(const std::string& text) {
  std::vector<Isa> result;
  for (const std::string& part : split(text)) {
    bool found = false;
    for (const Isa isa : kAllIsas) {
      if (part != isa_name(isa)) continue;
      set_active_isa(isa);  // refuses what the CPU lacks
      result.push_back(isa);
      found = true;
    }
    if (!found) {
      throw Error("--isa", "unknown instruction set '" + part + "'", "use " + isa_names(),
                  ExitCode::usage);
    }
  }
  return result;
}

}  // namespace

BenchOptions take_options(int& argc, char** argv) {
  BenchOptions options;
  const Isa best = active_isa();
  if (best != Isa::avx2 && isa_includes(best, Isa::avx2)) options.isas.push_back(Isa::avx2);
  options.isas.push_back(best);
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--batch") {
      options.batches = numbers<std::int64_t>(name, value, 1, 4096);
    } else if (name == "--bits") {
      options.bits = numbers<std::int32_t>(name, value, 1, 8);
    } else if (name == "--network") {
      options.networks = split(value);
    } else if (name == "--isa") {
      options.isas = instruction_sets(value);
    } else if (name == "--out") {
      options.directory = value;
    } else {
      argv[kept++] = argv[i];
    }
  }
  set_active_isa(best);
  argc = kept;
  return options;
}

}  // namespace intandem::bench
