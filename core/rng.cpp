#include "core/rng.hpp"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace intandem {
namespace {

// splitmix64 finalizer (Steele et al. 2014): a bijection that mixes all 64 bits.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

}  // namespace

Rng Rng::stream(std::string_view name) const {
  std::uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return stream(hash);
}

Rng Rng::stream(std::uint64_t index) const {
  Rng child = *this;
  child.stream_ = mix(stream_ ^ mix(index + 1));
  return child;
}

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> x,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * x[0];
    const std::uint64_t p1 = 0xCD9E8D57ull * x[2];
    x = {static_cast<std::uint32_t>(p1 >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x;
}

std::array<std::uint32_t, 4> Rng::block(std::uint64_t counter) const {
  return philox4x32(
      {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
       static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
      {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32)});
}

float Rng::uniform(std::uint64_t counter) const {
  return static_cast<float>(bits(counter) >> 8) * 0x1p-24f;
}

float Rng::normal(std::uint64_t counter) const {
  const auto x = block(counter);
  const double u = (static_cast<double>(x[0]) + 0.5) * 0x1p-32;
  const double v = static_cast<double>(x[1]) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
}

std::uint32_t Rng::below(std::uint64_t counter, std::uint32_t bound) const {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(bits(counter)) * bound) >> 32);
}

std::vector<std::int32_t> random_permutation(std::int32_t n, const Rng& rng) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int32_t i = n - 1; i > 0; --i) {
    const auto j = rng.below(static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(i) + 1);
    std::swap(order[static_cast<std::size_t>(i)], order[j]);
  }
  return order;
}

}  // namespace intandem
