// `intandem trace`: its arithmetic against the engine on random models, its text and files against
// golden ones, its errors.
#include <catch2/catch.hpp>
#include <filesystem>
#include <numeric>

#include "apps/trace/layer_tensors.hpp"
#include "apps/trace/layer_text.hpp"
#include "apps/trace/window.hpp"
#include "core/container.hpp"
#include "core/npy.hpp"
#include "core/xtensor_adapt.hpp"
#include "distill/model_info.hpp"
#include "quant/lower.hpp"
#include "tests/apps/command_line.hpp"
#include "tests/data/image_writers.hpp"
#include "tests/quant/random_model.hpp"
#include "tests/quant/tiny.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::apps_test;

namespace {

// A student with every kind of unit (tests/quant/tiny.hpp), of 3 bits: text and tensors do not hang
// on the machine, so what it gives is kept.
const std::string kBranched = "tests/golden/branched.safetensors";
const std::string kImage = "tests/golden/branched.npy";
const std::string kText = "tests/golden/branched.txt";

std::int64_t at(const Place& place, std::int64_t W, std::int64_t C) {
  return (place.y * W + place.x) * C + place.channel;
}

TensorU8 random_image(const IntModel& model, std::uint64_t seed) {
  TensorU8 image({model.height, model.width, model.channels});
  const Rng rng(seed);
  for (std::int64_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(i), 256));
  }
  return image;
}

/// The console blocks of a document that begin with "$ intandem …": command and output.
std::vector<std::pair<std::string, std::string>> examples_of(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> examples;
  std::istringstream lines(slurp(path));
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("$ intandem ", 0) == 0) {
      examples.emplace_back(line.substr(11), "");
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      examples.back().second += line + "\n";
    }
  }
  return examples;
}

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream text(command);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

}  // namespace

TEST_CASE("trace: tensors are the engine's, and bias and products add up to every accumulator",
          "[apps][trace]") {
  std::int64_t places = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const IntModel model = testing::random_model(seed);
    const TensorU8 image = random_image(model, seed);
    const std::vector<LayerTensors> tensors = trace_tensors(model, image);
    for (const char* algorithm : {"ref", "auto"}) {
      check_with_engine(model, image, tensors, algorithm);  // throws where one differs
    }
    const IntLayer& last = model.layers.back();
    const Rng rng(seed);
    const std::vector<Place> path = follow_back(model, tensors, Place{0, 0, last.shape.K - 1});
    for (int k = 0; k < static_cast<int>(model.layers.size()); ++k) {
      const auto i = static_cast<std::size_t>(k);
      const IntLayer& layer = model.layers[i];
      INFO("model " << seed << ", layer " << k);
      REQUIRE(path[i].y < layer.pooled_P());
      REQUIRE(path[i].x < layer.pooled_Q());
      REQUIRE(path[i].channel < layer.shape.K);
      const Place before = before_pool(layer, tensors[i], path[i]);
      if (!layer.is_last()) {
        CHECK(tensors[i].codes[at(before, layer.shape.Q(), layer.shape.K)] ==
              tensors[i].output[at(path[i], layer.pooled_Q(), layer.shape.K)]);
      }
      const Place any{rng.below(3 * i, static_cast<std::uint32_t>(layer.shape.P())),
                      rng.below(3 * i + 1, static_cast<std::uint32_t>(layer.shape.Q())),
                      rng.below(3 * i + 2, static_cast<std::uint32_t>(layer.shape.K))};
      for (const Place& place : {before, any}) {
        std::int64_t sum = layer.bias.empty() ? 0 : layer.bias[place.channel];
        for (const Product& p : window_products(model, k, tensors[i], place)) sum += p.value();
        CHECK(sum == tensors[i].accumulators[at(place, layer.shape.Q(), layer.shape.K)]);
        ++places;
      }
      CHECK_FALSE(layer_trace_text(model, k, tensors[i], path[i], seed % 2 == 0).empty());
    }
  }
  CHECK(places > 200);
}

TEST_CASE("trace: a difference from the engine is a mismatch that names the place",
          "[apps][trace]") {
  const IntModel model = testing::random_model(3);
  const TensorU8 image = random_image(model, 3);
  std::vector<LayerTensors> tensors = trace_tensors(model, image);
  tensors.back().accumulators[0] += 1;
  try {
    check_with_engine(model, image, tensors, "ref");
    FAIL("not noticed");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::mismatch);
    CHECK_THAT(error.what(), Catch::Contains("layer " + model.layers.back().name) &&
                                 Catch::Contains("element 0"));
  }
}

// Writes the golden files anew: intandem_tests "[.golden]", then the text by the command below.
TEST_CASE("trace: make the golden model", "[.golden]") {
  StudentOptions options;
  options.weight_bits = options.activation_bits = 3;
  Student student(tiny::branched_network(), tiny::normalization(), options, Rng(11));
  tiny::randomize(student, 11);
  ModelInfo info;
  info.dataset = "blobs";
  info.class_names = {"left", "middle", "right"};
  info.norm = tiny::normalization();
  Container file("integer-model");
  store_model(lower(student, student.unit_count()), file);
  store_info(info, file);
  file.save(kBranched);
  save_npy(kImage, tiny::images(1, 11).images.reshaped({8, 8, 2}));
  SUCCEED("written");
}

TEST_CASE("trace: the golden model's text, word for word", "[apps][trace][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const Outcome traced = run(scratch, {"trace", kBranched, kImage});
  INFO(traced.err);
  REQUIRE(traced.code == 0);
  const std::string expected = slurp(kText);
  REQUIRE_FALSE(expected.empty());
  CHECK(traced.out == expected);
  // What the model is there for: groups, signed codes, a shortcut of signed codes, pools.
  for (const char* part : {"in 2 groups", "depthwise", "+ zero point 4", " - 4) * m2", "mean",
                           "max-pool: codes of its window"}) {
    CHECK_THAT(expected, Catch::Contains(part));
  }
}

TEST_CASE("trace: the examples in the documentation are what the program says",
          "[apps][trace][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const auto examples = examples_of("docs/trace.md");
  REQUIRE(examples.size() >= 2);
  for (const auto& [command, output] : examples) {
    INFO("docs/trace.md: intandem " << command << "; docs/refresh_examples.sh writes it anew");
    const Outcome outcome = run(scratch, words_of(command));
    CHECK(outcome.code == 0);
    CHECK(outcome.out == output);
  }
}

TEST_CASE("trace: one layer, a place of choice, all products", "[apps][trace][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const auto trace = [&](const std::vector<std::string>& more) {
    return run(scratch, with({"trace", kBranched, kImage}, more));
  };
  const Outcome one = trace({"--layer", "b", "--pixel", "1,2", "--channel", "5"});
  REQUIRE(one.code == 0);
  CHECK_THAT(one.out, Catch::Contains("traced: output pixel (1, 2), channel 5") &&
                          !Catch::Contains("stem: ") && !Catch::Contains("logits, "));
  CHECK_THAT(trace({"--layer", "b"}).out, Catch::Contains("are left out"));
  CHECK_THAT(trace({"--layer", "b", "--zeros"}).out, !Catch::Contains("are left out"));
  CHECK_THAT(trace({"--channel", "2"}).out,
             Catch::Contains("traced: output pixel (0, 0), channel 2"));

  check_one_error(trace({"--layer", "dw3"}), 2, {"--layer", "no layer 'dw3'", "'dw'"});
  check_one_error(trace({"--layer", ""}), 2, {"--layer"});
  check_one_error(trace({"--layer", "b", "--pixel", "4,0"}), 2, {"--pixel", "'4,0'", "4x4x8"});
  check_one_error(trace({"--layer", "b", "--channel", "8"}), 2, {"--channel", "8", "4x4x8"});
  for (const char* wrong : {"4", "1;2", "a,b", "-1,2", "1,2,3", "1, 2", "99999999999999999999,0"}) {
    check_one_error(trace({"--layer", "b", std::string("--pixel=") + wrong}), 2, {"--pixel"});
  }
  check_one_error(trace({"--channel", "-1"}), 2, {"--channel"});
  check_one_error(trace({"--algorithm", "fast"}), 2, {"fast"});
}

TEST_CASE("trace: images and models that do not fit are refused", "[apps][trace][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string demo = "tests/golden/demo-w2a2.safetensors";
  const std::string large =
      scratch.write("large.png", data_test::png(data_test::gradient(30, 40, 1)));
  check_one_error(run(scratch, {"trace", demo, large}), 1,
                  {large + ": is 30x40x1", "the model takes 28x28x1", "--fit"});
  CHECK(run(scratch, {"trace", demo, large, "--fit", "--layer", "fc8"}).code == 0);
  check_one_error(run(scratch, {"trace", demo, kImage}), 1, {kImage + ": is 8x8x2"});
  check_one_error(run(scratch, {"trace", kBranched, large}), 1, {kBranched, "2 channels", ".npy"});
  check_one_error(run(scratch, {"trace", kImage, large}), 1, {kImage});
  check_one_error(run(scratch, {"trace", demo, scratch.path("none.png")}), 1, {"none.png"});
  const std::string batch = scratch.path("batch.npy"), floats = scratch.path("floats.npy");
  save_npy(batch, TensorU8::zeros({1, 28, 28, 1}));
  save_npy(floats, TensorF::zeros({28, 28}));
  check_one_error(run(scratch, {"trace", demo, batch}), 1, {batch, "[1, 28, 28, 1]", "no image"});
  check_one_error(run(scratch, {"trace", demo, floats}), 1, {floats, "<f4"});
}

TEST_CASE("trace --save writes every tensor, and they multiply to the accumulators",
          "[apps][trace][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const std::string dir = scratch.path("tensors");
  const std::string boot = "tests/golden/ankle-boot.png";
  REQUIRE(run(scratch, {"trace", "tests/golden/demo-w2a2.safetensors", boot, "--save", dir}).code ==
          0);
  // fc8 once more, in array expressions.
  const TensorU8 codes = load_npy<std::uint8_t>(dir + "/07-fc8-input.npy").reshaped({1, 128});
  const TensorS8 weights = load_npy<std::int8_t>(dir + "/07-fc8-weights.npy");
  const TensorS32 bias = load_npy<std::int32_t>(dir + "/07-fc8-bias.npy");
  const TensorS32 logits = load_npy<std::int32_t>(dir + "/logits.npy");
  const TensorS32 products = to_tensor<std::int32_t>(xt::cast<std::int32_t>(adapt(weights)) *
                                                     xt::cast<std::int32_t>(adapt(codes)));
  REQUIRE(products.shape() == Shape{10, 128});
  for (std::int64_t k = 0; k < 10; ++k) {
    const std::int32_t* row = products.data() + k * 128;
    CHECK(std::accumulate(row, row + 128, bias[k]) == logits[k]);
  }
  CHECK(load_npy<std::int32_t>(dir + "/07-fc8-accumulators.npy").size() == 10);
  CHECK(load_npy<std::int32_t>(dir + "/00-conv1-m.npy").size() == 1);
  CHECK(load_npy<std::uint8_t>(dir + "/00-conv1-output.npy").shape() == Shape{14, 14, 16});
  // The image that was saved is an image to trace.
  const Outcome first = run(scratch, {"trace", "tests/golden/demo-w2a2.safetensors", boot});
  const Outcome again =
      run(scratch, {"trace", "tests/golden/demo-w2a2.safetensors", dir + "/image.npy"});
  CHECK(again.out.substr(again.out.find('\n')) == first.out.substr(first.out.find('\n')));
  const std::string file = scratch.write("occupied", "x");
  check_one_error(
      run(scratch, {"trace", "tests/golden/demo-w2a2.safetensors", boot, "--save", file}), 1,
      {file});
}
