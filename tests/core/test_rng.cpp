#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "core/rng.hpp"

using namespace intandem;
using Words = std::array<std::uint32_t, 4>;

TEST_CASE("Philox4x32-10 gives the published known answers", "[core][rng]") {
  // kat_vectors of the Random123 library: zeros, ones, digits of pi.
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a generator is Philox with the seed as key and the counter's low half first",
          "[core][rng]") {
  CHECK(Rng(0).block(0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Rng(0x299f31d0a4093822).block(0x85a308d3243f6a88) ==
        philox4x32({0x243f6a88, 0x85a308d3, 0, 0}, {0xa4093822, 0x299f31d0}));
  CHECK(Rng(5).bits(7) == Rng(5).block(7)[0]);
}

TEST_CASE("seeds, streams and counters give different numbers, calls in any order the same",
          "[core][rng]") {
  const Rng root(1);
  std::set<Words> seen;
  std::size_t draws = 0;
  const auto draw = [&](const Rng& rng) {
    for (std::uint64_t counter = 0; counter < 50; ++counter, ++draws) {
      seen.insert(rng.block(counter));
    }
  };
  draw(root);
  draw(Rng(2));
  draw(root.stream("augment"));
  draw(root.stream("dropout"));
  draw(root.stream("augment").stream("dropout"));
  draw(root.stream("dropout").stream("augment"));
  for (std::uint64_t index = 0; index < 20; ++index) draw(root.stream(index));
  CHECK(seen.size() == draws);
  CHECK(root.stream("augment").block(9) == Rng(1).stream("augment").block(9));
}

TEST_CASE("uniform is in [0, 1) with the mean and variance of the uniform law", "[core][rng]") {
  const Rng rng = Rng(3).stream("uniform");
  constexpr int kDraws = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = static_cast<double>(rng.uniform(static_cast<std::uint64_t>(i)));
    REQUIRE((u >= 0.0 && u < 1.0));
    sum += u;
    squares += u * u;
  }
  // Five standard errors: 0.2887/sqrt(n) for the mean, 0.2981/sqrt(n) for the second moment.
  CHECK(std::abs(sum / kDraws - 0.5) < 5 * 0.2887 / std::sqrt(kDraws));
  CHECK(std::abs(squares / kDraws - 1.0 / 3) < 5 * 0.2981 / std::sqrt(kDraws));
}

TEST_CASE("normal has the first four moments of the normal law", "[core][rng]") {
  const Rng rng = Rng(4).stream("normal");
  constexpr int kDraws = 100'000;
  std::array<double, 5> moment{};
  for (int i = 0; i < kDraws; ++i) {
    const double z = static_cast<double>(rng.normal(static_cast<std::uint64_t>(i)));
    REQUIRE(std::isfinite(z));
    for (int k = 1; k <= 4; ++k) moment[static_cast<std::size_t>(k)] += std::pow(z, k) / kDraws;
  }
  // Five standard errors; the variance of z^k is 1, 2, 15, 96.
  CHECK(std::abs(moment[1]) < 5 * std::sqrt(1.0 / kDraws));
  CHECK(std::abs(moment[2] - 1) < 5 * std::sqrt(2.0 / kDraws));
  CHECK(std::abs(moment[3]) < 5 * std::sqrt(15.0 / kDraws));
  CHECK(std::abs(moment[4] - 3) < 5 * std::sqrt(96.0 / kDraws));
}

TEST_CASE("below stays below its bound and hits every value equally often", "[core][rng]") {
  const Rng rng(5);
  CHECK(rng.below(0, 1) == 0);
  for (const std::uint32_t bound : {2u, 3u, 7u, 10u}) {
    std::vector<int> hits(bound);
    const int draws = 10'000 * static_cast<int>(bound);
    for (int i = 0; i < draws; ++i) {
      const std::uint32_t value = rng.below(static_cast<std::uint64_t>(i), bound);
      REQUIRE(value < bound);
      ++hits[value];
    }
    for (const int n : hits) CHECK(std::abs(n - 10'000) < 500);
  }
}

TEST_CASE("a random permutation holds every index once and depends on the stream", "[core][rng]") {
  for (const std::int32_t n : {0, 1, 2, 3, 100, 1001}) {
    std::vector<std::int32_t> order = random_permutation(n, Rng(6));
    CHECK(order == random_permutation(n, Rng(6)));
    if (n > 10) CHECK(order != random_permutation(n, Rng(6).stream(1)));
    std::sort(order.begin(), order.end());
    std::vector<std::int32_t> expected(static_cast<std::size_t>(n));
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
  }
}
