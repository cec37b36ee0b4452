// The normative rounding of the project: how an accumulator becomes a code. Training simulation,
// every engine and every exporter use this definition and no other (docs/quantization.md, Q4–Q6).
#pragma once

#include <cstdint>

namespace intandem {

/// A positive rational m·2⁻ⁿ: m in [1, 2¹⁵), n in [1, 46].
struct Multiplier {
  std::int32_t m = 1;
  std::int32_t n = 1;

  friend bool operator==(const Multiplier&, const Multiplier&) = default;
};

inline constexpr int kMaxMultiplierBits = 15;
inline constexpr std::int32_t kMinShift = 1;
inline constexpr std::int32_t kMaxShift = 46;

/// (value + 2ⁿ⁻¹) >> n: division by 2ⁿ, rounded to nearest, half up (towards +∞). Arithmetic shift
/// (guaranteed by C++20). |value| < 2⁶² and n ≤ 46, so the sum cannot overflow.
[[gnu::always_inline]] constexpr std::int64_t round_shift(std::int64_t value, std::int32_t n) {
  return (value + (std::int64_t{1} << (n - 1))) >> n;
}

/// Q5: clamp((acc·m + 2ⁿ⁻¹) >> n, 0, max_code), the output code of a layer.
/// |acc| < 2³¹ and m < 2¹⁵, so the product needs 46 bits. zero_point (Q17), the code that stands
/// for 0, is added before the clamp.
[[gnu::always_inline]] constexpr std::uint8_t requantize(std::int32_t acc, Multiplier scale,
                                                         std::int32_t max_code,
                                                         std::int32_t zero_point = 0) {
  const std::int64_t q = round_shift(std::int64_t{acc} * scale.m, scale.n) + zero_point;
  return static_cast<std::uint8_t>(q < 0 ? 0 : q > max_code ? max_code : q);
}

/// Q6: residual unit, one rounding: clamp((acc·m₁ + q₂·m₂ + 2ⁿ⁻¹) >> n, 0, max_code), where q₂ is
/// the shortcut's code (0 … 255) less its zero point (Q18) and m₂ in [0, 2³¹).
[[gnu::always_inline]] constexpr std::uint8_t requantize_add(
    std::int32_t acc, Multiplier scale, std::uint8_t shortcut, std::int32_t shortcut_m,
    std::int32_t max_code, std::int32_t shortcut_zero = 0, std::int32_t zero_point = 0) {
  const std::int64_t sum =
      std::int64_t{acc} * scale.m + (std::int64_t{shortcut} - shortcut_zero) * shortcut_m;
  const std::int64_t q = round_shift(sum, scale.n) + zero_point;
  return static_cast<std::uint8_t>(q < 0 ? 0 : q > max_code ? max_code : q);
}

}  // namespace intandem
