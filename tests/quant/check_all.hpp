// A layer by every algorithm on every instruction set, against the definition.
#pragma once

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "core/dispatch.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/plan.hpp"
#include "tests/quant/direct_ways.hpp"
#include "tests/quant/int_cases.hpp"

namespace intandem::testing {

/// That an algorithm was among those that ran, where this CPU has the instruction set.
inline void check_ran(const std::set<std::string>& ran, const char* name, Isa isa) {
  INFO(name);
  if (isa_includes(detected_isa(), isa)) CHECK(ran.count(name) == 1);
}

/// The direct kernels of every instruction set that this CPU has.
inline void check_direct_ran(const std::set<std::string>& ran) {
  check_ran(ran, "ref", Isa::ref);
  check_ran(ran, "direct_avx2", Isa::avx2);
  check_ran(ran, "direct_avx512vnni", Isa::avx512vnni);
  check_ran(ran, "direct_amx", Isa::amx);
}

/// Checks the layer with every algorithm that admits it; returns the names of those that ran, which
/// the caller checks: a test in which nothing ran cannot fail.
[[nodiscard]] inline std::set<std::string> check_all(const LayerOptions& o, std::int64_t N,
                                                     Values values, Draw& draw) {
  const RestoreSettings restore;
  std::set<std::string> ran;
  const IntLayer layer = make_layer(o, draw);
  const ConvShape& s = o.shape;
  const auto input = random_codes(N * s.H * s.W * s.C, o.in_max, draw, values);
  const auto shortcut = random_codes(N * s.P() * s.Q() * s.K, 255, draw);
  const auto wanted = naive_layer(layer, N, input, shortcut);
  const auto check = [&](const PreparedLayer& prepared) {
    ran.insert(prepared.algorithm());
    const auto got = run_guarded(prepared, layer, N, input, shortcut);
    INFO(prepared.algorithm() << ": " << s.str() << ", batch " << N << ", W" << o.weight_bits
                              << ", codes to " << o.in_max << " and " << o.max_code);
    CHECK(got == wanted);
  };
  for (const Isa isa : available_isas()) {
    set_active_isa(isa);
    for (const Algorithm& algorithm : algorithms()) {
      if (isa != Isa::ref && algorithm.prepare == prepare_reference) continue;  // the same again
      const auto prepared = algorithm.prepare(layer);
      if (prepared != nullptr) check(*prepared);
    }
    for (const auto& prepared : direct_ways(layer)) check(*prepared);
  }
  return ran;
}

}  // namespace intandem::testing
