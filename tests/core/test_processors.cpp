// Processor quotas of control groups, both versions of their files.
#include <sched.h>

#include <catch2/catch.hpp>
#include <limits>

#include "core/control_group.hpp"
#include "core/processors.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;

TEST_CASE("processors: a quota limits them, rounded up, at any level", "[core]") {
  const test::TemporaryDirectory dir;
  constexpr int kNone = std::numeric_limits<int>::max();
  CHECK(control_group_processors("0::/job/step\n", dir.path()) == kNone);
  dir.write("job/step/cpu.max", "max 100000\n");
  CHECK(control_group_processors("0::/job/step\n", dir.path()) == kNone);
  dir.write("job/cpu.max", "150000 100000\n");
  CHECK(control_group_processors("0::/job/step\n", dir.path()) == 2);
  CHECK(control_group_processors("0::/\n", dir.path()) == kNone);
  dir.write("cpu.max", "50000 100000\n");
  CHECK(control_group_processors("0::/elsewhere\n", dir.path()) == 1);
  CHECK(control_group_processors("0::/job/step\n", dir.path()) == 1);
}

TEST_CASE("processors: quotas of version 1, and files that say nothing", "[core]") {
  const test::TemporaryDirectory dir;
  constexpr int kNone = std::numeric_limits<int>::max();
  dir.write("cpu/slurm/cpu.cfs_quota_us", "-1\n");
  dir.write("cpu/slurm/cpu.cfs_period_us", "100000\n");
  CHECK(control_group_processors("5:cpu,cpuacct:/slurm\n", dir.path()) == kNone);
  dir.write("cpu/slurm/cpu.cfs_quota_us", "400000\n");
  CHECK(control_group_processors("5:cpu,cpuacct:/slurm\n", dir.path()) == 4);
  CHECK(control_group_processors("5:memory:/slurm\n", dir.path()) == kNone);
  for (const char* text : {"", "much\n", "100000\n", "0 100000\n", "100000 0\n", "-5 10\n"}) {
    dir.write("odd/cpu.max", text);
    CHECK(control_group_processors("0::/odd\n", dir.path()) == kNone);
  }
  dir.write("odd/cpu.max", "9000000000000000000 1\n");
  CHECK(control_group_processors("0::/odd\n", dir.path()) == kNone);
}

TEST_CASE("processors: no more than the affinity mask leaves", "[core]") {
  cpu_set_t allowed;
  REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  CHECK(usable_processors() <= CPU_COUNT(&allowed));
}
