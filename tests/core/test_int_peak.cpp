#include <catch2/catch.hpp>

#include "core/dispatch.hpp"
#include "core/int_peak.hpp"

using namespace intandem;

TEST_CASE("the 8-bit peak is known for every vector instruction set", "[core][int_peak]") {
  const Isa before = active_isa();
  for (const Isa isa : kAllIsas) {
    if (!isa_includes(detected_isa(), isa)) continue;
    set_active_isa(isa);
    INFO(isa_name(isa));
    if (isa == Isa::ref) {
      CHECK(int8_peak_gops() == 0.0);
    } else {
      CHECK(int8_peak_gops() > 0.0);
    }
  }
  set_active_isa(before);
}

#if defined(__x86_64__)
TEST_CASE("the peak loops count two operations per multiply-add", "[core][int_peak]") {
  std::int32_t sink = 0;
  if (isa_includes(detected_isa(), Isa::avx2)) CHECK(run_dot_avx2(10, &sink) == 10 * 12 * 32 * 2);
  if (isa_includes(detected_isa(), Isa::amx))
    CHECK(run_dot_amx(10, &sink) == 10 * 4 * 16 * 16 * 64 * 2);
  if (isa_includes(detected_isa(), Isa::avx512vnni))
    CHECK(run_dot_avx512vnni(10, &sink) == 10 * 12 * 64 * 2);
}
#endif
