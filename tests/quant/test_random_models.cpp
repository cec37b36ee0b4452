// Random integer models against their definition. 200 by default; INTANDEM_MODELS=10000 (make
// fuzz-models MODELS=10000) tries more, from seed INTANDEM_FIRST_MODEL on (default 1).
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "core/dispatch.hpp"
#include "tests/quant/differential.hpp"

using namespace intandem;
using namespace intandem::testing;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? fallback : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("random models give the same integers on every path", "[integer][random]") {
  const std::uint64_t count = from_environment("INTANDEM_MODELS", 200);
  const std::uint64_t first = from_environment("INTANDEM_FIRST_MODEL", 1);
  std::uint64_t differences = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const IntModel model = random_model(seed);
    INFO("model " << seed << " (INTANDEM_FIRST_MODEL=" << seed << " INTANDEM_MODELS=1)");
    REQUIRE_NOTHROW(check_model(model, "model " + std::to_string(seed)));
    // Where an instruction reads what it must not, the process ends; tried alone, a model says in
    // what.
    const auto note = [&](const std::string& what) {
      if (count == 1) std::cerr << what << '\n';
    };
    const std::string difference = Differential(model, seed, note).find();
    CHECK(difference == "");
    differences += difference.empty() ? 0 : 1;
    if (differences == 10) break;  // enough to look at
    if (count > 1000 && (seed - first + 1) % 1000 == 0) {
      std::cout << seed - first + 1 << " models, " << differences << " differences" << std::endl;
    }
  }
  CHECK(differences == 0);
  if (count < 200 || !isa_includes(detected_isa(), Isa::avx2)) return;
  for (const Algorithm& algorithm : algorithms()) {
    const std::string name = algorithm.name;
    const Isa least =
        name == "direct_amx" ? Isa::amx
        : name.ends_with("_ahead") || name == "direct_rows64" || name == "direct_rows32"
            ? Isa::avx512vnni
            : Isa::avx2;
    if (!isa_includes(detected_isa(), least)) continue;
    INFO(name << " took no layer: the models have become too narrow for it");
    CHECK(Differential::ran().count(name) == 1);
  }
}
