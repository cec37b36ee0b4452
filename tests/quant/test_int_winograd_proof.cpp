// The proofs of docs/winograd.md that can be computed: the bilinear identity, the ranges of the
// operands, and the refusal of every layer that would not be exact.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "quant/integer/winograd/plan.hpp"
#include "quant/integer/winograd/tile.hpp"
#include "tests/quant/winograd_cases.hpp"

using namespace intandem;
using namespace intandem::testing;
using Case = WinogradCase;
using Operands = WinogradOperands;

TEST_CASE("winograd: the bilinear identity holds for all unit impulses", "[winograd]") {
  for (const int outputs : {4, 2, 1}) {
    const FastCorrelation& f = fast_correlation(outputs);
    REQUIRE(f.outputs == outputs);
    REQUIRE(f.inputs == outputs + 2);
    for (int tap = 0; tap < 3; ++tap) {
      for (int x = 0; x < outputs + 2; ++x) {
        for (int o = 0; o < outputs; ++o) {
          int sum = 0;
          for (int i = 0; i < f.products; ++i) {
            sum += f.output[o][i] * kTapTransform[f.position[i]][tap] * f.input[i][x];
          }
          INFO("F(" << outputs << ",3) tap " << tap << " input " << x << " output " << o);
          CHECK(sum == (x == o + tap ? 1 << f.shift : 0));
        }
      }
    }
  }
}

namespace {

struct TileCase {
  bool strided;
  TileCorrelation tile;

  int stride() const { return strided ? 2 : 1; }
  std::string str() const {
    return "stride " + std::to_string(stride()) + ", tile of " + std::to_string(tile.v.outputs) +
           "x" + std::to_string(tile.h.outputs) + ", " + std::to_string(tile.products()) +
           " products";
  }
};

/// Every tile there is: nine of stride 1 and nine of stride 2.
std::vector<TileCase> all_tiles() {
  const auto tile = [](int v, int h, bool strided) {
    return TileCase{strided, tile_correlation(v, h, strided)};
  };
  std::vector<TileCase> tiles;
  for (const int v : {4, 2, 1})
    for (const int h : {4, 2, 1}) tiles.push_back(tile(v, h, false));
  for (const int v : {3, 2, 1})
    for (const int h : {3, 2, 1}) tiles.push_back(tile(v, h, true));
  return tiles;
}

}  // namespace

TEST_CASE("winograd: the identity of every tile holds for all unit impulses", "[winograd]") {
  CHECK(tile_correlation(4, 4, false).products() == 49);
  CHECK(tile_correlation(3, 3, true).products() == 49);
  for (const TileCase& c : all_tiles()) {
    const TileCorrelation& f = c.tile;
    INFO(c.str());
    CHECK(f.v.inputs == (f.v.outputs - 1) * c.stride() + 3);
    CHECK(f.h.inputs == (f.h.outputs - 1) * c.stride() + 3);
    std::int64_t wrong = 0;
    for (int tap = 0; tap < 9; ++tap) {
      std::int8_t impulse[9] = {};
      impulse[tap] = 1;
      std::int32_t u[kPositions2d];
      transform_taps(impulse, c.strided, u);
      for (int y = 0; y < f.v.inputs; ++y) {
        for (int x = 0; x < f.h.inputs; ++x) {
          for (int o = 0; o < f.v.outputs; ++o) {
            for (int p = 0; p < f.h.outputs; ++p) {
              int sum = 0;
              for (int i = 0; i < f.products(); ++i) {
                sum += f.output(i, o, p) * u[f.position(i)] * f.input(i, y, x);
              }
              const bool meets = y == c.stride() * o + tap / 3 && x == c.stride() * p + tap % 3;
              wrong += sum != (meets ? 1 << f.shift() : 0);
            }
          }
        }
      }
    }
    CHECK(wrong == 0);
    // In the order of their places, none twice: a kernel may write beyond the end of one.
    for (int i = 1; i < f.products(); ++i) CHECK(f.position(i - 1) < f.position(i));
  }
}

TEST_CASE("winograd: 128 more in the raised inputs is 128 more in every value", "[winograd]") {
  for (const TileCase& c : all_tiles()) {
    const TileCorrelation& f = c.tile;
    for (int i = 0; i < f.products(); ++i) {
      int raised = 0;
      for (int y = 0; y < f.v.inputs; ++y)
        for (int x = 0; x < f.h.inputs; ++x)
          raised += f.v.raised[y] && f.h.raised[x] ? f.input(i, y, x) : 0;
      INFO(c.str() << ", position " << f.position(i));
      CHECK(raised % 2 != 0);
    }
  }
  for (int position = 0; position < kPositions2d; ++position) {
    const ValueRange range = value_range(4, position, 1);
    CHECK((range.low == 0) == (value_shift(position) == 0));
    if (value_shift(position) != 0) CHECK(range.low == -range.high);
  }
}

TEST_CASE("winograd: five taps are two pieces in the same products", "[winograd]") {
  const std::vector<WinogradPiece> pieces = cut_kernel(5);
  REQUIRE(pieces.size() == 4);
  CHECK(cut_kernel(4).empty());
  for (const int outputs : {4, 2, 1}) {
    const FastCorrelation& f = fast_correlation(outputs);
    for (int tap = 0; tap < 5; ++tap) {
      for (int x = 0; x < outputs + 4; ++x) {
        for (int o = 0; o < outputs; ++o) {
          int sum = 0;
          for (const int first : {0, 3}) {
            // The window of the second piece begins three inputs later.
            if (tap < first || tap >= first + 3 || x < first || x >= first + outputs + 2) continue;
            for (int i = 0; i < f.products; ++i) {
              if (first == 3 && f.position[i] == kInfinity) continue;
              sum += f.output[o][i] * kTapTransform[f.position[i]][tap - first] *
                     f.input[i][x - first];
            }
          }
          INFO("F(" << outputs << ",5) tap " << tap << " input " << x << " output " << o);
          CHECK(sum == (x == o + tap ? 1 << f.shift : 0));
        }
      }
    }
  }
  // Every tap is in exactly one piece, and the pieces of a position are neighbours.
  int covered[5][5] = {};
  for (const WinogradPiece& piece : pieces) {
    for (int y = 0; y < piece.rows; ++y)
      for (int x = 0; x < piece.columns; ++x) ++covered[piece.y + y][piece.x + x];
  }
  for (const auto& row : covered)
    for (const int count : row) CHECK(count == 1);
  for (int position = 0; position < kPositions2d; ++position) {
    int changes = 0;
    bool inside = false;
    for (const WinogradPiece& piece : pieces) {
      changes += piece.has(position) && !inside ? 1 : 0;
      inside = piece.has(position);
    }
    CHECK(changes == 1);
  }
}

TEST_CASE("winograd: transformed codes fill but never leave 8 bits", "[winograd]") {
  struct Limit {
    int tile;
    std::int32_t in_max;
  };
  for (const Limit limit : {Limit{4, 15}, Limit{2, 63}, Limit{3, 63}}) {
    std::int64_t widest = 0;
    for (const TileCase& part : all_tiles()) {
      const TileCorrelation& f = part.tile;
      if (limit.tile == 2 && (f.v.outputs != 2 || f.h.outputs != 2)) continue;
      if ((limit.tile == 3) != part.strided) continue;
      for (int i = 0; i < f.products(); ++i) {
        const ValueRange range = value_range(limit.tile, f.position(i), limit.in_max);
        widest = std::max(widest, range.high - range.low);
        // V is linear in the codes, so its extremes are at codes 0 and in_max by sign.
        std::int64_t low = 0, high = 0;
        for (int y = 0; y < f.v.inputs; ++y) {
          for (int x = 0; x < f.h.inputs; ++x) {
            const int entry = f.input(i, y, x);
            (entry < 0 ? low : high) += entry * limit.in_max;
          }
        }
        INFO(part.str() << ", position " << f.position(i));
        CHECK(low >= range.low);
        CHECK(high <= range.high);
        CHECK(range.low + value_shift(f.position(i)) >= 0);
        CHECK(range.high + value_shift(f.position(i)) <= 255);
        if (f.v.outputs == limit.tile && f.h.outputs == limit.tile) {
          CHECK(low == range.low);
          CHECK(high == range.high);
        }
      }
    }
    CHECK(widest == (limit.tile == 4 ? 16 : 4) * limit.in_max);
    Case c;
    c.shape = {1, 8, 8, 8, 16, 3, 3, limit.tile == 3 ? 2 : 1, 1};
    c.in_max = limit.in_max;
    const Rng rng(1);
    WinogradPlan plan;
    std::string why;
    CHECK(plan_winograd(make_layer(c, rng), limit.tile, Operands::u8_s8, plan, why));
    c.in_max = limit.in_max + 1;
    CHECK_FALSE(plan_winograd(make_layer(c, rng), limit.tile, Operands::u8_s8, plan, why));
    CHECK(why.find("8 bits") != std::string::npos);
  }
}

TEST_CASE("winograd: |U| is at most 9 w, with stride 2 at most 4 w", "[winograd]") {
  for (const bool strided : {false, true}) {
    std::int32_t largest = 0;
    for (int pattern = 0; pattern < 512; ++pattern) {
      std::int8_t taps[9];
      for (int i = 0; i < 9; ++i) taps[i] = (pattern >> i & 1) != 0 ? 14 : -14;
      std::int32_t u[kPositions2d] = {};
      transform_taps(taps, strided, u);
      for (const std::int32_t value : u) largest = std::max(largest, std::abs(value));
    }
    CHECK(largest == (strided ? 4 : 9) * 14);
  }
}

TEST_CASE("winograd: operands of any layer fit 16 bits, and pairs of products 32", "[winograd]") {
  std::int64_t largest_weight = 0;
  for (const int sign : {-128, 127}) {
    for (int pattern = 0; pattern < 512; ++pattern) {
      std::int8_t taps[9];
      for (int i = 0; i < 9; ++i) {
        taps[i] = static_cast<std::int8_t>((pattern >> i & 1) != 0 ? sign : -1 - sign);
      }
      std::int32_t u[kPositions2d];
      transform_taps(taps, false, u);
      for (const std::int32_t value : u) {
        largest_weight = std::max<std::int64_t>(largest_weight, std::abs(value));
      }
    }
  }
  CHECK(largest_weight == 9 * 128);
  std::int64_t largest_value = 0;
  for (const int tile : {4, 2}) {
    for (int position = 0; position < kPositions2d; ++position) {
      const ValueRange range = value_range(tile, position, 255);
      largest_value = std::max({largest_value, range.high, -range.low});
    }
  }
  CHECK(largest_value <= 16 * 255);
  CHECK(2 * largest_value * largest_weight < std::int64_t{1} << 31);

  const Rng rng(9);
  WinogradPlan plan;
  std::string why;
  Case c;
  c.in_max = 255;
  c.weight_max = 128;
  c.pattern = Case::lowest;
  for (const std::int64_t taps : {3, 5}) {
    c.shape = {1, 8, 8, 7, 16, taps, taps, 1, taps / 2};
    for (const int tile : {4, 2}) {
      IntLayer unbiased = make_layer(c, rng);
      unbiased.bias = TensorS32::zeros({16});
      REQUIRE(plan_winograd(unbiased, tile, Operands::s16, plan, why));
      CHECK(plan.largest_weight == 9 * 128);
      CHECK(plan.quads == 4);
      CHECK(plan.value_stride == 64);
      for (const std::int32_t added : plan.output_bias) CHECK(added == 0);
      // The one condition that 16 bits do not remove.
      const std::int32_t limit = 1 << (tile == 4 ? 27 : 29);
      IntLayer layer = make_layer(c, rng);
      layer.bias[3] = limit - 128 * 255 * 7 * static_cast<std::int32_t>(taps * taps) - 1;
      CHECK(plan_winograd(layer, tile, Operands::s16, plan, why));
      ++layer.bias[3];
      CHECK_FALSE(plan_winograd(layer, tile, Operands::s16, plan, why));
      CHECK(why.find("leave 32 bits") != std::string::npos);
    }
  }
}
