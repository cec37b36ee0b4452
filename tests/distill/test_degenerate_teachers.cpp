// Channels and layers that have all but vanished keep what they still say, through the same
// lowering in baselines and students.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

#include "distill/evaluate.hpp"
#include "distill/folded_baseline.hpp"
#include "quant/fold.hpp"
#include "quant/lower.hpp"
#include "tests/quant/tiny.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;

namespace {

IntModel baseline(FloatNetwork& teacher, bool per_channel, int bits = 8) {
  StudentOptions options;
  options.weight_bits = options.activation_bits = bits;
  return folded_baseline(teacher, tiny::normalization(), tiny::images(200, 1), 200, per_channel,
                         StepMethod::mse, options);
}

/// Share of images that integers and teacher classify alike.
double agreement(FloatNetwork& teacher, bool per_channel) {
  const Dataset data = tiny::images(300, 2);
  const std::vector<std::int32_t> truth =
      evaluate_float(teacher, tiny::normalization(), data, 64).predicted;
  const std::vector<std::int32_t> integer =
      evaluate_integer(baseline(teacher, per_channel), data, 64).predicted;
  double same = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) same += truth[i] == integer[i];
  return same / static_cast<double>(truth.size());
}

/// A teacher with gamma and beta of every `stride`-th channel of a unit replaced.
FloatNetwork with_channels(int unit, int stride, float gamma, float beta) {
  FloatNetwork teacher = tiny::teacher(4);
  TensorF& g = teacher.unit(unit).gamma.value;
  for (std::int64_t c = 0; c < g.size(); c += stride) {
    g[c] = gamma;
    teacher.unit(unit).beta.value[c] = beta;
  }
  return teacher;
}

}  // namespace

TEST_CASE("a channel without weights keeps its constant", "[distill][degenerate]") {
  for (const int unit : {0, 1, 2, 4}) {
    for (const float beta : {0.45f, 0.0f, -0.3f, 3.0f}) {
      FloatNetwork teacher = with_channels(unit, 2, 0.0f, beta);
      INFO("unit " << unit << ", beta " << beta);
      CHECK(agreement(teacher, true) >= 0.97);
      CHECK(agreement(teacher, false) >= 0.97);
    }
  }
  // The code itself: beta over the output step, rounded once.
  FloatNetwork teacher = with_channels(0, 2, 0.0f, 0.45f);
  const IntModel model = baseline(teacher, true);
  const IntLayer& layer = model.layers[0];
  CHECK(layer.zero_channels == 3);
  const std::int64_t constant = requantize(layer.bias[0], layer.scale[0], layer.max_code);
  CHECK(constant > 10);
  CHECK(requantize(layer.bias[2], layer.scale[2], layer.max_code) == constant);
}

TEST_CASE("gammas of any smallness work per channel", "[distill][degenerate]") {
  for (const int unit : {0, 1, 2}) {
    for (const float gamma : {1e-6f, 1e-10f, -1e-12f, 1e-30f, 1e-44f}) {
      FloatNetwork teacher = with_channels(unit, 4, gamma, 0.5f);
      INFO("unit " << unit << ", gamma " << gamma);
      CHECK(agreement(teacher, true) >= 0.97);
      CHECK(agreement(teacher, false) >= 0.97);
    }
  }
}

TEST_CASE("dead and vanishing layers are lowered like any other", "[distill][degenerate]") {
  FloatNetwork dead = with_channels(2, 1, 0.0f, -1.0f);
  CHECK(agreement(dead, true) >= 0.97);
  FloatNetwork constant = with_channels(2, 1, 0.0f, 0.7f);
  CHECK(agreement(constant, false) >= 0.97);
  FloatNetwork no_variance = tiny::teacher(4);
  no_variance.unit(2).bn.running_var[3] = 0.0f;
  no_variance.unit(2).bn.running_mean[3] = 0.0f;
  TensorF& w = no_variance.unit(2).weight.value;
  std::fill_n(w.data() + 3 * (w.size() / 8), w.size() / 8, 0.0f);
  CHECK(agreement(no_variance, true) >= 0.97);
  FloatNetwork tiny_activations = tiny::teacher(4);
  for (float& g : tiny_activations.unit(0).gamma.value) g *= 1e-20f;
  for (float& b : tiny_activations.unit(0).beta.value) b *= 1e-20f;
  for (const bool per_channel : {true, false})
    CHECK(agreement(tiny_activations, per_channel) > 0.9);
  FloatNetwork last = tiny::teacher(4);
  last.unit(5).weight.value.fill(0.0f);
  last.unit(5).bias.value[1] = 1e-9f;
  CHECK(agreement(last, true) == 1.0);
  // One-bit codes know no zero: what the weights add must stay below the bias.
  FloatNetwork one_bit = with_channels(1, 2, 0.0f, 0.45f);
  CHECK_NOTHROW(baseline(one_bit, true, 1));
}

TEST_CASE("the same function written with negative gammas has the same codes",
          "[distill][degenerate]") {
  FloatNetwork teacher = tiny::teacher(4), flipped = tiny::teacher(4);
  for (const int k : {0, 1, 2, 4}) {
    FloatUnit& unit = flipped.unit(k);
    const std::int64_t K = unit.gamma.value.size(), row = unit.weight.value.size() / K;
    for (std::int64_t c = 0; c < K; c += 2) {
      unit.gamma.value[c] *= -1.0f;
      unit.bn.running_mean[c] *= -1.0f;
      for (std::int64_t i = c * row; i < (c + 1) * row; ++i) unit.weight.value[i] *= -1.0f;
    }
  }
  for (const bool per_channel : {true, false}) {
    const IntModel a = baseline(teacher, per_channel), b = baseline(flipped, per_channel);
    for (std::size_t k = 0; k < a.layers.size(); ++k) {
      CHECK(std::equal(a.layers[k].weights.begin(), a.layers[k].weights.end(),
                       b.layers[k].weights.begin()));
      CHECK(std::equal(a.layers[k].bias.begin(), a.layers[k].bias.end(), b.layers[k].bias.begin()));
    }
  }
}

TEST_CASE("what a student cannot hold in 32 bits names layer and bias", "[distill][degenerate]") {
  Student student(tiny::network(), tiny::normalization(), {}, Rng(1));
  tiny::randomize(student, 1);
  student.unit(1).alpha.value[0] = 1e-20f;
  test::check_error([&] { lower(student, 2); }, {"conv2", "the bias of channel 0", "32 bits"});
  FloatNetwork teacher = tiny::teacher(4);
  FloatUnit& unit = teacher.unit(1);
  unit.bn.running_var[2] = 0.0f;
  unit.bn.epsilon = 1e-30f;
  unit.gamma.value[2] = 9e18f;
  unit.weight.value.fill(9e18f);
  test::check_error([&] { fold_batch_norm(teacher, 1, nullptr); }, {"conv2", "overflow"});
  test::check_error([&] { baseline(teacher, true); }, {"not finite", "train it again"});
}
