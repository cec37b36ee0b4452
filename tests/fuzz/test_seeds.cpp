// Every seed of every fuzzing harness, and with them every input that once failed, in an ordinary
// test; the same inputs damaged a little, so that the harnesses themselves are exercised.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <vector>

#include "core/file.hpp"
#include "core/rng.hpp"
#include "tests/fuzz/harness.hpp"

using namespace intandem;

namespace {

/// Whether the harness took the input; false: refused with an Error.
bool feed(fuzz::Harness harness, const std::string& bytes) {
  try {
    harness({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::filesystem::path> seeds_of(const std::string& name) {
  std::vector<std::filesystem::path> seeds;
  const std::filesystem::path directory = "tests/fuzz/seeds/" + name;
  if (!std::filesystem::is_directory(directory)) return seeds;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    seeds.push_back(entry.path());
  }
  std::sort(seeds.begin(), seeds.end());
  return seeds;
}

}  // namespace

TEST_CASE("fuzzing harnesses take their seeds, whole and damaged", "[fuzz]") {
  REQUIRE_FALSE(fuzz::harnesses().empty());
  for (const auto& [name, harness] : fuzz::harnesses()) {
    const auto seeds = seeds_of(name);
    INFO("harness " << name);
    REQUIRE_FALSE(seeds.empty());
    bool any = false;
    const Rng rng(7);
    std::uint64_t draw = 0;
    for (const auto& seed : seeds) {
      INFO("seed " << seed);
      const std::string bytes = read_file(seed, "");
      CHECK(bytes.size() <= 64 * 1024);  // kept small
      any = feed(harness, bytes) || any;
      for (int i = 0; i < 20 && !bytes.empty(); ++i) {
        std::string damaged = bytes;
        const std::size_t at = rng.below(draw++, static_cast<std::uint32_t>(bytes.size()));
        damaged[at] = static_cast<char>(damaged[at] ^ 1 << rng.below(draw++, 8));
        if (i % 4 == 0) damaged.resize(at);
        feed(harness, damaged);
      }
    }
    CHECK(any);  // seeds lead beyond the first check
  }
}
