// Whole models: storing, refusing, running, and independence of batch and threads.
#include <catch2/catch.hpp>
#include <functional>

#include "core/container.hpp"
#include "core/error.hpp"
#include "quant/integer/engine.hpp"
#include "quant/integer/plan.hpp"
#include "tests/quant/int_cases.hpp"
#include "tests/quant/small_net.hpp"

using namespace intandem;
using namespace intandem::testing;

TEST_CASE("a whole net gives the same integers on every path", "[integer]") {
  const RestoreSettings restore;
  Draw draw(21);
  constexpr std::int64_t N = 7;
  const auto images = random_codes(N * 300, 255, draw);
  for (const bool per_channel : {false, true}) {
    const IntModel model = small_net(22, per_channel);
    const auto wanted = naive_logits(model, N, images);
    for (const Isa isa : available_isas()) {
      set_active_isa(isa);
      std::vector<std::string> names = {"auto"};
      for (const Algorithm& algorithm : algorithms()) names.emplace_back(algorithm.name);
      for (const std::string& name : names) {
        for (const std::int64_t batch : {1, 3, 16}) {
          for (const int threads : {1, 3}) {
            set_thread_count(threads);
            Engine engine(model, batch, name);
            INFO(name << " on " << isa_name(isa) << ", batch " << batch << ", " << threads);
            CHECK(engine_logits(engine, N, images) == wanted);
          }
        }
      }
    }
  }
}

TEST_CASE("a prefix keeps the codes of every layer", "[integer]") {
  Draw draw(23);
  const IntModel model = small_net(24, false);
  const auto images = random_codes(3 * 300, 255, draw);
  Engine engine(model, 4);
  CHECK_THROWS_AS(engine.codes(0), Error);
  engine.run_prefix(images.data(), 3, 5);
  std::vector<std::vector<std::uint8_t>> codes;
  for (int k = 0; k < 4; ++k) {
    const IntLayer& layer = model.layers[static_cast<std::size_t>(k)];
    const auto out = naive_layer(layer, 3, k == 0 ? images : codes.back(),
                                 layer.add >= 0 ? codes[0] : std::vector<std::uint8_t>{});
    codes.emplace_back(out.begin(), out.end());
    const std::uint8_t* kept = engine.codes(k);
    CHECK(std::vector<std::uint8_t>(kept, kept + out.size()) == codes.back());
  }
  const auto wanted = naive_logits(model, 3, images);
  CHECK(std::vector<std::int32_t>(engine.accumulators(), engine.accumulators() + 15) == wanted);
  CHECK_THROWS_AS(engine.codes(4), Error);
  CHECK_THROWS_AS(engine.run_prefix(images.data(), 5, 5), Error);

  IntModel unfinished = model;
  unfinished.layers.resize(2);
  Engine prefix(unfinished, 3);
  prefix.run_prefix(images.data(), 3, 2);
  const std::uint8_t* kept = prefix.codes(1);
  CHECK(std::vector<std::uint8_t>(kept, kept + codes[1].size()) == codes[1]);
  std::int32_t logits[15];
  CHECK_THROWS_AS(prefix.run(images.data(), 3, logits), Error);
}

TEST_CASE("unknown algorithms are usage errors", "[integer]") {
  const IntModel model = small_net(25, false);
  try {
    Engine engine(model, 1, "fastest");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    CHECK(std::string(error.what()).find("auto, ") != std::string::npos);
  }
}

TEST_CASE("a model survives its container", "[integer]") {
  for (const bool per_channel : {false, true}) {
    const IntModel model = small_net(26, per_channel);
    Container file("integer-model");
    store_model(model, file);
    const IntModel loaded = load_model(file);
    CHECK(loaded.network == model.network);
    CHECK(loaded.model_bytes() == model.model_bytes());
    REQUIRE(loaded.layers.size() == model.layers.size());
    for (std::size_t k = 0; k < model.layers.size(); ++k) {
      CHECK(loaded.layers[k].name == model.layers[k].name);
      CHECK(loaded.layers[k].scale == model.layers[k].scale);
      CHECK(loaded.layers[k].add_m == model.layers[k].add_m);
      CHECK(loaded.layers[k].bound == model.layers[k].bound);
    }
    Draw draw(27);
    const auto images = random_codes(300, 255, draw);
    Engine a(model, 1), b(loaded, 1);
    CHECK(engine_logits(a, 1, images) == engine_logits(b, 1, images));
  }
}

TEST_CASE("model_bytes counts the stored bits", "[integer]") {
  IntModel model = small_net(28, false);
  model.layers.resize(2);
  // conv1: 8·27 bytes, 8 biases, 3 padding codes, (m, n); conv2: 8·72 nibbles, 8, 8, (m, n)
  CHECK(model.model_bytes() == 216 + 32 + 3 + 3 + 288 + 32 + 8 + 3);
}

TEST_CASE("codes of every quantizer pass, others do not", "[integer]") {
  struct Case {
    int bits;
    std::vector<int> codes;
    bool valid;
  };
  const Case cases[] = {
      {1, {-1, 1}, true},        {1, {-1, 0}, false},       {1, {0, 1}, false},
      {2, {-2, -1, 0, 1}, true}, {2, {-3, -1, 1, 3}, true}, {2, {-3, 0, 1}, false},
      {2, {2}, false},           {4, {-8, 7}, true},        {4, {-15, 15, 1}, true},
      {4, {8}, false},           {4, {-15, 2}, false},      {7, {-127, 127, 1}, true},
      {8, {-128, 127}, true},
  };
  for (const Case& c : cases) {
    IntModel model = small_net(29, false);
    IntLayer& layer = model.layers[1];
    layer.weight_bits = c.bits;
    for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
      layer.weights[i] =
          static_cast<std::int8_t>(c.codes[static_cast<std::size_t>(i) % c.codes.size()]);
    }
    measure_bounds(layer);
    INFO(c.bits << " bits, first code " << c.codes[0]);
    if (c.valid) {
      CHECK_NOTHROW(check_model(model, "model"));
    } else {
      CHECK_THROWS_AS(check_model(model, "model"), Error);
    }
  }
}

TEST_CASE("every damaged model is refused with the layer's name", "[integer]") {
  using Damage = std::function<void(IntModel&)>;
  const auto layer = [](std::size_t k, std::function<void(IntLayer&)> edit) -> Damage {
    return [k, edit](IntModel& m) { edit(m.layers[k]); };
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const std::vector<std::pair<std::string, Damage>> cases = {
      {"H", layer(1, [](IntLayer& l) { l.shape.H = 6; })},
      {"negative extent", layer(1, [](IntLayer& l) { l.shape.C = -8; })},
      {"huge extent", layer(1, [](IntLayer& l) { l.shape.K = kHuge; })},
      {"huge product", layer(1, [](IntLayer& l) { l.shape.H = l.shape.W = 1 << 20; })},
      {"zero stride", layer(1, [](IntLayer& l) { l.shape.stride = 0; })},
      {"padding", layer(1, [](IntLayer& l) { l.shape.pad = -1; })},
      {"kernel", layer(3, [](IntLayer& l) { l.shape.R = 7; })},
      {"batch", layer(1, [](IntLayer& l) { l.shape.N = 2; })},
      {"kind", layer(1, [](IntLayer& l) { l.kind = static_cast<IntLayerKind>(9); })},
      {"linear extent", layer(4, [](IntLayer& l) { l.shape.H = l.shape.R = 2; })},
      {"average with weights", layer(3, [](IntLayer& l) { l.weights = TensorS8(Shape{8}); })},
      {"weights shape", layer(1, [](IntLayer& l) { l.weights = TensorS8::zeros({8, 3, 3, 7}); })},
      {"no weights", layer(1, [](IntLayer& l) { l.weights = {}; })},
      {"bias shape", layer(1, [](IntLayer& l) { l.bias = TensorS32::zeros({7}); })},
      {"no padding codes", layer(1, [](IntLayer& l) { l.pad_code = {}; })},
      {"padding codes", layer(1, [](IntLayer& l) { l.pad_code = TensorU8::full({8}, 16); })},
      {"pixels", layer(0, [](IntLayer& l) { l.in_max = 15; })},
      {"input codes", layer(1, [](IntLayer& l) { l.in_max = 7; })},
      {"output codes", layer(1, [](IntLayer& l) { l.max_code = 256; })},
      {"ends early", layer(1, [](IntLayer& l) { l.max_code = 0; })},
      {"pool stride", layer(0, [](IntLayer& l) { l.pool_stride = 0; })},
      {"pool kernel", layer(0, [](IntLayer& l) { l.pool_kernel = 11; })},
      {"negative pool", layer(0, [](IntLayer& l) { l.pool_kernel = -1; })},
      {"pool of logits", layer(4, [](IntLayer& l) { l.pool_kernel = l.pool_stride = 1; })},
      {"no scale", layer(1, [](IntLayer& l) { l.scale.clear(); })},
      {"m zero", layer(1, [](IntLayer& l) { l.scale[0].m = 0; })},
      {"m large", layer(1, [](IntLayer& l) { l.scale[0].m = 32768; })},
      {"n zero", layer(1, [](IntLayer& l) { l.scale[0].n = 0; })},
      {"n large", layer(1, [](IntLayer& l) { l.scale[0].n = 47; })},
      {"scale of logits", layer(4, [](IntLayer& l) { l.scale.push_back({1, 1}); })},
      {"late shortcut", layer(2, [](IntLayer& l) { l.add = 2; })},
      {"negative shortcut", layer(2, [](IntLayer& l) { l.add = -2; })},
      {"no shortcut factor", layer(2, [](IntLayer& l) { l.add_m.clear(); })},
      {"shortcut factor", layer(2, [](IntLayer& l) { l.add_m[0] = -1; })},
      {"factor without shortcut", layer(1, [](IntLayer& l) { l.add_m.push_back(1); })},
      {"late input", layer(2, [](IntLayer& l) { l.input = 2; })},
      {"negative input", layer(2, [](IntLayer& l) { l.input = -2; })},
      {"input shape", layer(2, [](IntLayer& l) { l.shape.C = 4, l.input = 0; })},
      {"input of the first layer", layer(0, [](IntLayer& l) { l.input = 0; })},
      {"no groups", layer(1, [](IntLayer& l) { l.shape.groups = 0; })},
      {"groups that do not divide", layer(1, [](IntLayer& l) { l.shape.groups = 3; })},
      {"groups and weights", layer(1, [](IntLayer& l) { l.shape.groups = 2; })},
      {"groups of a linear layer", layer(4,
                                         [](IntLayer& l) {
                                           l.shape.K = 8;
                                           l.shape.groups = 8;
                                         })},
      {"zero point", layer(1, [](IntLayer& l) { l.zero_point = 16; })},
      {"negative zero point", layer(1, [](IntLayer& l) { l.zero_point = -1; })},
      {"zero point of logits", layer(4, [](IntLayer& l) { l.zero_point = 1; })},
      {"zero point of a shortcut", layer(2, [](IntLayer& l) { l.add_zero = 1; })},
      {"zero point without shortcut", layer(1, [](IntLayer& l) { l.add_zero = 1; })},
      {"bias of an average", layer(3, [](IntLayer& l) { l.bias = TensorS32::zeros({7}); })},
      {"weight bits", layer(1, [](IntLayer& l) { l.weight_bits = 9; })},
      {"bound", layer(1, [](IntLayer& l) { l.bound += 1; })},
      {"zero channels", layer(1, [](IntLayer& l) { l.zero_channels = 1; })},
      {"overflow", layer(1, [](IntLayer& l) {
         l.bias[0] = 2147483647;
         measure_bounds(l);
       })},
      {"image size", [](IntModel& m) { m.width = 11; }},
      {"classes", [](IntModel& m) { m.classes = 6; }},
      {"no layers", [](IntModel& m) { m.layers.clear(); }},
      {"no last layer", [](IntModel& m) { m.layers.pop_back(); }},
      {"shortcut shape", [](IntModel& m) {
         m.layers[0].pool_kernel = 3;
         m.layers[0].pool_stride = 3;
       }},
  };
  for (const auto& [name, damage] : cases) {
    IntModel model = small_net(30, false);
    damage(model);
    INFO(name);
    try {
      check_model(model, "m.safetensors");
      FAIL_CHECK("accepted");
    } catch (const Error& error) {
      const std::string text = error.what();
      CHECK(text.rfind("m.safetensors: ", 0) == 0);
      CHECK(text.find("; ") != std::string::npos);
      if (name != "no layers") CHECK(text.find("layer") != std::string::npos);
    }
  }
}

TEST_CASE("padding that a stride skips still counts as memory", "[integer]") {
  Draw draw(31);
  LayerOptions o;
  o.max_code = 0;
  IntModel model;
  model.height = model.width = model.channels = 1;
  model.classes = 9;
  for (const std::int64_t pad : {100, 1 << 20, 1 << 24}) {
    o.shape = {1, 1, 1, 1, 1, 1, 1, pad, pad};
    model.layers = {make_layer(o, draw)};
    INFO(o.shape.str());
    if (pad == 100) {
      CHECK_NOTHROW(check_model(model, "model"));
    } else {
      CHECK_THROWS_WITH(check_model(model, "model"), Catch::Contains("more than 2^31 elements"));
    }
  }
}
