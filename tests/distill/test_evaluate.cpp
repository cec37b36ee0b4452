// Ranks, agreement and what counts as top-5.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "distill/evaluate.hpp"
#include "nn/ops.hpp"
#include "quant/integer/engine.hpp"
#include "quant/lower.hpp"
#include "tests/quant/tiny.hpp"

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

TEST_CASE("signal to noise of every unit is that of the engine's codes", "[distill]") {
  FloatNetwork teacher = tiny::teacher(4);
  StudentOptions options;
  options.weight_bits = options.activation_bits = 4;
  Student student(tiny::network(), tiny::normalization(), options, Rng(4));
  tiny::randomize(student, 4);
  const Dataset data = tiny::images(7, 5);
  const int L = student.unit_count();
  const std::vector<double> found = layer_sqnr_db(teacher, student, data, 3);
  REQUIRE(found.size() == static_cast<std::size_t>(L));

  const IntModel model = lower(student, L);
  Engine engine(model, data.size(), "ref");
  engine.run_prefix(data.images.data(), data.size(), L);
  Tape tape;
  std::vector<Var> truth(static_cast<std::size_t>(L));
  teacher.forward(tape, 0, L, tape.constant(normalize(data.images, student.normalization())), truth,
                  FloatNetwork::Mode{});
  for (int k = 0; k < L; ++k) {
    const TensorF& y = truth[static_cast<std::size_t>(k)]->value;
    const double step = student.is_last(k) ? quantize_unit(student, k).unit
                                           : static_cast<double>(student.unit(k).out_step.value[0]);
    double signal = 0.0, noise = 0.0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const double code = student.is_last(k) ? engine.accumulators()[i] : engine.codes(k)[i];
      signal += std::pow(static_cast<double>(y[i]), 2);
      noise += std::pow(static_cast<double>(y[i]) - step * (code - student.zero_point(k)), 2);
    }
    INFO("unit " << k);
    CHECK(found[static_cast<std::size_t>(k)] == Approx(10.0 * std::log10(signal / noise)));
  }
}
