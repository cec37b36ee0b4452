// Ranks, agreement and what counts as top-5.
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <vector>

#include "distill/evaluate.hpp"

using namespace intandem;

TEST_CASE("the rank of a label: larger logits stand before it, ties go to the lower class",
          "[distill]") {
  const std::vector<std::int32_t> logits = {3, 7, 7, -1, 7, 0};
  const std::vector<std::int64_t> ranks = {3, 0, 1, 5, 2, 4};
  for (std::size_t label = 0; label < logits.size(); ++label) {
    CHECK(label_rank(logits.data(), 6, static_cast<std::int64_t>(label)) == ranks[label]);
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> broken = {1, nan, 2};
  CHECK(label_rank(broken.data(), 3, 1) == 2);  // its own logit is no number: last
  CHECK(label_rank(broken.data(), 3, 2) == 1);  // behind the one that is no number
}

TEST_CASE("rank 0 is what argmax says", "[distill]") {
  std::vector<float> row(7);
  std::uint32_t state = 1;
  for (int i = 0; i < 200; ++i) {
    for (float& x : row) x = static_cast<float>((state = state * 1664525u + 1013904223u) >> 30);
    TensorF logits({1, 7});
    std::copy(row.begin(), row.end(), logits.begin());
    int first = 0;
    for (std::int32_t label = 0; label < 7; ++label) {
      const bool right = count_correct(logits, {label}) == 1;
      CHECK(right == (label_rank(row.data(), 7, label) == 0));
      first += right;
    }
    CHECK(first == 1);
  }
}

TEST_CASE("agreement counts equal predictions, right or wrong", "[distill]") {
  Evaluation a, b;
  a.predicted = {1, 2, 3, 4};
  b.predicted = {1, 0, 3, 3};
  CHECK(count_agreeing(a, b) == 2);
}
