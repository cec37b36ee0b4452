// The vector max-pool against its definition, for channel counts around the vector's 16.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "core/rng.hpp"
#include "quant/integer/direct/direct.hpp"
#include "quant/integer/ops_ref.hpp"

namespace intandem {
namespace {

TEST_CASE("max-pool of codes equals its definition and stays inside its buffers",
          "[quant][integer]") {
  constexpr std::uint8_t kGuard = 0xA5;
  const Rng rng = Rng(7).stream("max_pool");
  struct Window {
    std::int64_t kernel, stride;
  };
  std::uint64_t drawn = 0;
  for (const Window w : {Window{2, 2}, Window{3, 2}, Window{3, 1}, Window{1, 1}, Window{2, 3}}) {
    for (const std::int64_t C : {1, 3, 4, 15, 16, 17, 31, 32, 33, 48, 70}) {
      const std::int64_t N = 2, H = 7, W = 5;
      const std::int64_t P = (H - w.kernel) / w.stride + 1, Q = (W - w.kernel) / w.stride + 1;
      // No byte to spare after the input: an address sanitizer sees any read beyond it.
      std::vector<std::uint8_t> codes(static_cast<std::size_t>(N * H * W * C));
      for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(rng.below(drawn++, 256));
      const auto outputs = static_cast<std::size_t>(N * P * Q * C);
      std::vector<std::uint8_t> expected(outputs), found(outputs + 64, kGuard);
      max_pool_ref(codes.data(), N, H, W, C, w.kernel, w.stride, expected.data());
      max_pool(codes.data(), N, H, W, C, w.kernel, w.stride, found.data());
      INFO("C " << C << ", kernel " << w.kernel << ", stride " << w.stride);
      CHECK(std::equal(expected.begin(), expected.end(), found.begin()));
      CHECK(std::all_of(found.begin() + static_cast<std::ptrdiff_t>(outputs), found.end(),
                        [=](std::uint8_t byte) { return byte == kGuard; }));
    }
  }
}

}  // namespace
}  // namespace intandem
