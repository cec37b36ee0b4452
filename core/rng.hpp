// Counter-based random numbers: every draw is a pure function of (seed, stream, counter), so
// results depend neither on threads nor on the order of calls, and resuming needs no state.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace intandem {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Philox with the seed as key and (counter, stream) as counter.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : key_(seed) {}

  /// An independent stream for a named purpose or an index: Rng(seed).stream("augment").stream(7).
  Rng stream(std::string_view name) const;
  Rng stream(std::uint64_t index) const;

  /// Four independent 32-bit words for this counter.
  std::array<std::uint32_t, 4> block(std::uint64_t counter) const;
  std::uint32_t bits(std::uint64_t counter) const { return block(counter)[0]; }
  /// Uniform in [0, 1), 24 bits.
  float uniform(std::uint64_t counter) const;
  /// Standard normal (Box–Muller in double).
  float normal(std::uint64_t counter) const;
  /// Uniform integer in [0, bound), bound ≥ 1 (multiply-shift; bias below 2⁻³² · bound).
  std::uint32_t below(std::uint64_t counter, std::uint32_t bound) const;

 private:
  std::uint64_t key_;
  std::uint64_t stream_ = 0;
};

/// 0 … n−1 in random order (Fisher–Yates, draws rng.below(i, i+1)).
std::vector<std::int32_t> random_permutation(std::int32_t n, const Rng& rng);

}  // namespace intandem
