// The 1-D fast correlations with a 3-tap kernel that the exact low-bit convolution is built from:
// F(4,3), F(2,3) and F(1,3), and three of stride 2. In two dimensions they are applied along rows
// and columns (docs/winograd.md, F1–F5, F8). All constants are integers, so nothing is ever
// rounded. Internal linkage, so that files compiled for one instruction set define no shared
// symbol.
#pragma once

#include <cstdint>

namespace intandem {

/// G: row i maps the taps g0 g1 g2 to the multiplier of position i, the value of the polynomial
/// g0 + g1·x + g2·x² at a point: 0, 1, −1, then Re, Im and Re+Im at the imaginary unit, and ∞.
/// F(2,3) and F(1,3) use a subset of these rows, so one set of transformed weights serves all
/// three and tiles of different sizes can be mixed within one image.
constexpr int kPositions1d = 7;
constexpr std::int8_t kTapTransform[kPositions1d][3] = {
    {1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 0, -1}, {0, 1, 0}, {1, 1, -1}, {0, 0, 1}};
/// The position of the point ∞, whose multiplier is the last tap.
constexpr int kInfinity = 6;
/// In two dimensions: 7·row + column.
constexpr int kPositions2d = kPositions1d * kPositions1d;

/// Most inputs and outputs of a tile each way.
constexpr int kTileInputs = 7, kTileOutputs = 4;

/// scale·y = Aᵀ[(G g) ∘ (Bᵀ d)] with y[o] = Σ_s g[s]·d[o+s], o < outputs, scale = 2^shift.
struct FastCorrelation {
  int outputs, inputs;                             ///< per tile
  int products;                                    ///< multiplications
  int shift;                                       ///< log2 of the scale of Aᵀ
  int position[kPositions1d];                      ///< row of the taps' matrix each product uses
  std::int8_t input[kPositions1d][kTileInputs];    ///< Bᵀ [products][inputs]
  std::int8_t output[kTileOutputs][kPositions1d];  ///< Aᵀ [outputs][products]
  bool raised[kTileInputs];  ///< inputs of which each row of Bᵀ takes an odd number
};

constexpr FastCorrelation kFast4 = {4,
                                    6,
                                    7,
                                    2,
                                    {0, 1, 2, 3, 4, 5, 6},
                                    {{1, 0, 0, 0, -1, 0},
                                     {0, 1, 1, 1, 1, 0},
                                     {0, -1, 1, -1, 1, 0},
                                     {0, -1, -1, 1, 1, 0},
                                     {0, -1, 1, 1, -1, 0},
                                     {0, -1, 0, 1, 0, 0},
                                     {0, -1, 0, 0, 0, 1}},
                                    {{4, 1, 1, 2, 0, -2, 0},
                                     {0, 1, -1, 0, 2, -2, 0},
                                     {0, 1, 1, -2, 0, 2, 0},
                                     {0, 1, -1, 0, -2, 2, 4}},
                                    {true, false, false, true, false, true}};

constexpr FastCorrelation kFast2 = {
    2,
    4,
    4,
    1,
    {0, 1, 2, 6, 0, 0, 0},
    {{1, 0, -1, 0, 0, 0}, {0, 1, 1, 0, 0, 0}, {0, -1, 1, 0, 0, 0}, {0, -1, 0, 1, 0, 0}},
    {{2, 1, 1, 0, 0, 0, 0}, {0, 1, -1, 2, 0, 0, 0}},
    {false, false, true, true, false, false}};

/// The plain sum of three products.
constexpr FastCorrelation kFast1 = {1,
                                    3,
                                    3,
                                    0,
                                    {0, 4, 6, 0, 0, 0, 0},
                                    {{1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0}},
                                    {{1, 1, 1, 0, 0, 0, 0}},
                                    {true, true, true, false, false, false}};

/// G of stride 2 (F8), y[o] = Σ_s g[s]·d[2·o+s]: the taps 0 and 2 meet the even inputs only, by
/// the values of g0 + g2·x at 0, 1, −1 and ∞, and tap 1 each odd input by itself.
constexpr std::int8_t kStridedTaps[kPositions1d][3] = {{1, 0, 0}, {1, 0, 1}, {1, 0, -1}, {0, 0, 1},
                                                       {0, 1, 0}, {0, 1, 0}, {0, 1, 0}};
constexpr int kOddTap = 4;  ///< the first of the positions of tap 1

constexpr FastCorrelation kStrided3 = {
    3,
    7,
    7,
    1,
    {0, 1, 2, 3, 4, 5, 6},
    {{1, 0, 0, 0, -1, 0, 0},
     {0, 0, 1, 0, 1, 0, 0},
     {0, 0, -1, 0, 1, 0, 0},
     {0, 0, -1, 0, 0, 0, 1},
     {0, 1, 0, 0, 0, 0, 0},
     {0, 0, 0, 1, 0, 0, 0},
     {0, 0, 0, 0, 0, 1, 0}},
    {{2, 1, 1, 0, 2, 0, 0}, {0, 1, -1, 0, 0, 2, 0}, {0, 1, 1, 2, 0, 0, 2}},
    {false, true, false, true, true, true, true}};

constexpr FastCorrelation kStrided2 = {2,
                                       5,
                                       5,
                                       0,
                                       {0, 1, 3, 4, 5, 0, 0},
                                       {{1, 0, -1, 0, 0, 0, 0},
                                        {0, 0, 1, 0, 0, 0, 0},
                                        {0, 0, -1, 0, 1, 0, 0},
                                        {0, 1, 0, 0, 0, 0, 0},
                                        {0, 0, 0, 1, 0, 0, 0}},
                                       {{1, 1, 0, 1, 0, 0, 0}, {0, 1, 1, 0, 1, 0, 0}},
                                       {false, true, true, true, false, false, false}};

constexpr FastCorrelation kStrided1 = {
    1,
    3,
    3,
    0,
    {0, 3, 4, 0, 0, 0, 0},
    {{1, 0, 0, 0, 0, 0, 0}, {0, 0, 1, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 0}},
    {{1, 1, 1, 0, 0, 0, 0}},
    {true, true, true, false, false, false, false}};

/// The correlation with that many outputs: 4, 2 or 1; of stride 2: 3, 2 or 1.
[[gnu::always_inline]] static constexpr const FastCorrelation& fast_correlation(int outputs) {
  return outputs == 4 ? kFast4 : outputs == 2 ? kFast2 : kFast1;
}
[[gnu::always_inline]] static constexpr const FastCorrelation& strided_correlation(int outputs) {
  return outputs == 3 ? kStrided3 : outputs == 2 ? kStrided2 : kStrided1;
}

/// What is added to V = Bᵀ d B modulo 256 to make it 0 … 255 (F3). 128 more in the pixels whose row
/// and column are both raised are 128 more at every position, an odd multiple of 128. The position
/// of two sums needs none, V being at least 0 there.
constexpr int kSums = 1 * kPositions1d + 1;
constexpr std::uint8_t kRaise = 128;
[[gnu::always_inline]] static constexpr std::uint8_t value_shift(int position) {
  return position == kSums ? 0 : kRaise;
}

}  // namespace intandem
