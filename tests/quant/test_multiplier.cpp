// From real scales to m·2⁻ⁿ (Q4).
#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.hpp"
#include "quant/multiplier.hpp"

using namespace intandem;

TEST_CASE("a multiplier is the closest one of its bits") {
  for (const int bits : {1, 2, 8, 15}) {
    for (double scale = 3e-9; scale < 0.4; scale *= 1.37) {
      const Multiplier multiplier = make_multiplier(scale, bits, "layer");
      CHECK(multiplier.m >= 1);
      CHECK(multiplier.m < (1 << 15));
      CHECK(multiplier.n >= kMinShift);
      CHECK(multiplier.n <= kMaxShift);
      const double value = multiplier_value(multiplier);
      if (multiplier.n < kMaxShift) {
        CHECK(std::abs(value - scale) <= scale * std::ldexp(1.0, -bits) * (1.0 + 1e-12));
        // No other m at this shift is closer.
        CHECK(std::abs(value - scale) <= std::ldexp(0.5, -multiplier.n) * (1.0 + 1e-12));
      }
    }
  }
}

TEST_CASE("powers of two are exact and one bit gives nothing else") {
  CHECK(multiplier_value(make_multiplier(0.25, 15, "l")) == 0.25);
  CHECK(multiplier_value(make_multiplier(1.0, 15, "l")) == 1.0);
  CHECK(make_multiplier(0.3, 1, "l").m == 1);
  CHECK(multiplier_value(make_multiplier(0.3, 1, "l")) == 0.25);
  // f = 0.9999… rounds up to the next power of two.
  CHECK(multiplier_value(make_multiplier(0.99999, 4, "l")) == 1.0);
}

TEST_CASE("scales out of range are errors that name the layer") {
  const auto message = [](double scale, int bits) {
    try {
      make_multiplier(scale, bits, "conv7");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK_THAT(message(0.0, 15), Catch::Contains("conv7"));
  CHECK_THAT(message(-1.0, 15), Catch::Contains("conv7"));
  CHECK_THAT(message(std::nan(""), 15), Catch::Contains("conv7"));
  CHECK_THAT(message(1e-15, 15), Catch::Contains("multiplier of 0"));
  CHECK_THAT(message(1e9, 15), Catch::Contains("shift below 1"));
  // Small but representable: bits of m are lost, not the layer.
  const Multiplier small = make_multiplier(std::ldexp(3.0, -46), 15, "conv7");
  CHECK(small == Multiplier{3, 46});
}
