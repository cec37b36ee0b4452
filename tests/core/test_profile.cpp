#include "core/profile.hpp"

#include <catch2/catch.hpp>

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
  for (const ProfileRow& row : rows) REQUIRE(row.seconds >= 0);
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

TEST_CASE("the peaks of the machine are positive", "[core][profile]") {
  REQUIRE(peak_gflops_all_threads() > 0);
  REQUIRE(copy_gbytes_per_s(1 << 16) > 0);
}
