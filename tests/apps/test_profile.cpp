#include <catch2/catch.hpp>

#include "apps/commands/profile.hpp"
#include "core/rng.hpp"
#include "quant/integer/engine.hpp"

using namespace intandem;

namespace {

IntLayer layer_of(const std::string& name, IntLayerKind kind, const ConvShape& shape,
                  std::int32_t max_code) {
  IntLayer layer;
  layer.name = name;
  layer.kind = kind;
  layer.shape = shape;
  layer.weight_bits = 4;
  layer.in_max = name == "conv" ? 255 : 15;  // the first layer reads pixels
  layer.max_code = max_code;
  const bool linear = kind == IntLayerKind::linear;
  layer.weights =
      TensorS8(linear ? Shape{shape.K, shape.C} : Shape{shape.K, shape.R, shape.S, shape.C});
  for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
    layer.weights[i] = static_cast<std::int8_t>(i * 7 % 15 - 7);
  }
  layer.bias = TensorS32::zeros({shape.K});
  layer.pad_code = TensorU8::zeros({shape.C});
  if (max_code > 0) layer.scale = {{20000, 22}};
  measure_bounds(layer);
  return layer;
}

IntModel two_layers() {
  IntModel model;
  model.network = "two-layers";
  model.height = model.width = 6;
  model.channels = 8;
  model.classes = 5;
  model.layers.push_back(layer_of("conv", IntLayerKind::conv, {1, 6, 6, 8, 16, 3, 3, 1, 1}, 15));
  model.layers.push_back(layer_of("fc", IntLayerKind::linear, {1, 1, 1, 576, 5, 1, 1, 1, 0}, 0));
  return model;
}

}  // namespace

TEST_CASE("the engine times its layers only when asked to", "[apps][profile]") {
  const IntModel model = two_layers();
  const std::vector<std::uint8_t> images(4 * 6 * 6 * 8, 3);
  std::vector<std::int32_t> logits(4 * 5), timed(logits);
  Engine engine(model, 4);
  engine.run(images.data(), 4, logits.data());
  CHECK(engine.layer_ns().empty());
  engine.time_layers(true);
  for (int i = 0; i < 50; ++i) engine.run(images.data(), 4, timed.data());
  CHECK(timed == logits);
  REQUIRE(engine.layer_ns().size() == 2);
  CHECK(engine.layer_ns()[0] > 0);
  CHECK(engine.layer_ns()[1] > 0);
  const std::vector<std::int64_t> before = engine.layer_ns();
  engine.time_layers(false);
  engine.run(images.data(), 4, timed.data());
  CHECK(engine.layer_ns() == before);
  engine.time_layers(true);
  CHECK(engine.layer_ns() == std::vector<std::int64_t>{0, 0});
}

TEST_CASE("a profile's figures follow from its times", "[apps][profile]") {
  const IntModel model = two_layers();
  const std::vector<std::uint8_t> images(10 * 6 * 6 * 8, 3);
  const Profile profile = profile_model(model, images.data(), 10, 4, "direct");
  REQUIRE(profile.layers.size() == 2);
  const Engine engine(model, 4, "direct");
  double sum = 0, share = 0;
  for (std::size_t k = 0; k < 2; ++k) {
    const LayerProfile& p = profile.layers[k];
    sum += p.us_per_image;
    share += p.share_percent;
    const auto macs = static_cast<double>(model.layers[k].shape.macs());
    CHECK(p.direct_gops == Approx(2 * macs / p.us_per_image * 1e-3));
    const auto executed = static_cast<double>(engine.layer(static_cast<int>(k)).executed_macs());
    CHECK(p.executed_gops == Approx(p.direct_gops * executed / macs));
    CHECK(executed <= macs);  // the direct algorithm, which may leave products with padding out
  }
  CHECK(sum == Approx(profile.us_per_image));
  CHECK(share == Approx(100.0));
  const std::string text = profile_text(profile);
  for (const char* word : {"conv", "fc", "total", "GB/s", "GOPS executed"}) {
    CHECK(text.find(word) != std::string::npos);
  }
}
