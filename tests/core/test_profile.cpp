#include "core/profile.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <thread>

#include "core/dispatch.hpp"
#include "core/machine_peak.hpp"

using namespace intandem;

TEST_CASE("rows add up calls and are grouped by unit", "[core][profile]") {
  Profiler profiler;
  const UseProfiler use(&profiler);
  {
    const ProfileUnit unit("conv1");
    const ProfileScope scope("forward", 10, 3);
  }
  {
    const ProfileUnit outer("conv2");
    { const ProfileScope scope("forward", 1, 1); }
    {
      const ProfileUnit inner(profiler.unit_index("conv1"));
      { const ProfileScope scope("backward", 2, 2); }
      { const ProfileScope scope("forward", 10, 3); }
    }
    { const ProfileScope scope("forward", 1, 1); }
  }
  { const ProfileScope scope("forward", 0, 7); }
  const auto rows = profiler.rows();
  REQUIRE(rows.size() == 4);
  REQUIRE((rows[0].unit == "conv1" && rows[0].phase == "forward"));
  REQUIRE((rows[1].unit == "conv1" && rows[1].phase == "backward"));
  REQUIRE((rows[2].unit == "conv2" && rows[2].phase == "forward"));
  REQUIRE((rows[3].unit == "other" && rows[3].bytes == 7));
  REQUIRE((rows[0].calls == 2 && rows[0].flop == 20 && rows[0].bytes == 6));
  REQUIRE((rows[2].calls == 2 && rows[2].flop == 2));
}

TEST_CASE("a row holds the time of its scopes", "[core][profile]") {
  Profiler profiler;
  {
    const UseProfiler use(&profiler);
    const ProfileUnit unit("conv1");
    for (int call = 0; call < 2; ++call) {
      const ProfileScope scope("forward", 1, 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const ProfileScope scope("backward", 1, 1);
  }
  const auto rows = profiler.rows();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].seconds >= 0.010);  // a sleep may be longer than asked for, never shorter
  CHECK(rows[1].seconds < rows[0].seconds);
}

TEST_CASE("without a profiler nothing is recorded", "[core][profile]") {
  Profiler profiler;
  REQUIRE(active_profiler() == nullptr);
  { const ProfileScope scope("forward", 1, 1); }
  REQUIRE(current_profile_unit() == 0);
  {
    const UseProfiler use(&profiler);
    const UseProfiler pause(nullptr);
    const ProfileUnit unit("conv1");
    const ProfileScope scope("forward", 1, 1);
  }
  REQUIRE(active_profiler() == nullptr);
  REQUIRE(profiler.rows().empty());
}

TEST_CASE("a scope belongs to the profiler it began under", "[core][profile]") {
  Profiler profiler;
  {
    const UseProfiler use(&profiler);
    const ProfileScope scope("forward", 1, 1);
    const UseProfiler pause(nullptr);
  }
  REQUIRE(profiler.rows().size() == 1);
}

TEST_CASE("the loops behind the peak run the multiply-adds they count", "[core][profile]") {
  // Every chain is x = x/2 + 1 and has come to its fixed point 2 long before.
  constexpr std::int64_t kRounds = 100;
  float sink = 0.0f;
  CHECK(run_fma_ref(kRounds, &sink) == kRounds * 32 * 2);
  CHECK(sink == 32 * 2.0f);
#if defined(__x86_64__)
  if (isa_includes(detected_isa(), Isa::avx2)) {
    sink = 0.0f;
    CHECK(run_fma_avx2(kRounds, &sink) == kRounds * 12 * 8 * 2);
    CHECK(sink == 12 * 2.0f);  // one lane of the twelve
  }
  if (isa_includes(detected_isa(), Isa::avx512)) {
    sink = 0.0f;
    CHECK(run_fma_avx512(kRounds, &sink) == kRounds * 12 * 16 * 2);
    CHECK(sink == 12 * 2.0f);
  }
#endif
  CHECK(std::isfinite(peak_gflops_all_threads()));  // the time was not 0
  CHECK(std::isfinite(copy_gbytes_per_s(1 << 16)));
}
