// The integer layer as plain loops: the definition every fast kernel is tested against, and the
// text to read first. Compiled with general-purpose registers only, so no floating-point or vector
// instruction can hide in it. Equation numbers are those of docs/quantization.md.
#pragma once

#include <cstdint>

#include "core/conv_shape.hpp"
#include "quant/integer/requant.hpp"

namespace intandem {

/// Q3, the accumulator of a convolution or (H = W = R = S = 1) of a linear layer:
///
///     acc[n,p,q,k] = bias[k] + Σ_{r,s,c} weights[k,r,s,c] · x[n, p·stride+r−pad, q·stride+s−pad,
///                                                              first_channel(k) + c]
///
/// with c over the C/groups channels of k's group, from first_channel(k) on (0 without groups), and
/// where x outside the image is pad_code[c] (Q8: the zero-point, so that padding means "no
/// signal"). codes u8 [N][H][W][C], weights s8 [K][R][S][C/groups], bias s32 [K], pad_code u8 [C]
/// (may be null if shape.pad is 0), acc s32 [N][P][Q][K]. The caller guarantees Q7, |acc| < 2³¹ for
/// any input; a sum of some of the terms is then below 2³¹ too, so no step of the loop overflows.
void accumulate_ref(const ConvShape& shape, const std::uint8_t* codes, const std::int8_t* weights,
                    const std::int32_t* bias, const std::uint8_t* pad_code, std::int32_t* acc);

/// Q9, first half: bias plus the sum over an R×S window of every channel, K = C, no padding.
/// codes u8 [N][H][W][C], bias s32 [C] or null → acc s32 [N][P][Q][C].
void sum_window_ref(const ConvShape& shape, const std::uint8_t* codes, const std::int32_t* bias,
                    std::int32_t* acc);

/// Q5, Q17: codes[i,k] = requantize(acc[i,k], scale of channel k, max_code, zero_point). acc s32
/// [rows][K] → codes u8 [rows][K]. `scale` holds one multiplier for the layer, or K of them if
/// per_channel.
void requantize_ref(const std::int32_t* acc, std::int64_t rows, std::int64_t K,
                    const Multiplier* scale, bool per_channel, std::int32_t max_code,
                    std::int32_t zero_point, std::uint8_t* codes);

/// Q6, Q18: as above with the codes of a shortcut added before the one rounding. shortcut u8
/// [rows][K]; shortcut_m holds as many factors as `scale` holds multipliers.
void requantize_add_ref(const std::int32_t* acc, const std::uint8_t* shortcut, std::int64_t rows,
                        std::int64_t K, const Multiplier* scale, const std::int32_t* shortcut_m,
                        bool per_channel, std::int32_t max_code, std::int32_t shortcut_zero,
                        std::int32_t zero_point, std::uint8_t* codes);

/// Max-pool on codes; the order of codes is the order of the values they stand for, so no scale is
/// involved. codes u8 [N][H][W][C] → result u8 [N][(H−kernel)/stride+1][(W−kernel)/stride+1][C].
void max_pool_ref(const std::uint8_t* codes, std::int64_t N, std::int64_t H, std::int64_t W,
                  std::int64_t C, std::int64_t kernel, std::int64_t stride, std::uint8_t* result);

/// Q10: index of the largest of `classes` logits; the lowest index wins ties. classes ≥ 1.
std::int32_t argmax_ref(const std::int32_t* logits, std::int64_t classes);

}  // namespace intandem
