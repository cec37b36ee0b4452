// Exported C against the engine, on this machine. INTANDEM_MODELS=500 exports more random models,
// from seed INTANDEM_FIRST_MODEL on, and compiles each in every way.
#include <cstdlib>

#include "tests/export/exported.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::export_test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kStrict = "-std=c99 -pedantic -Wall -Wextra -Wconversion -Werror ";

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? fallback : std::strtoull(text, nullptr, 10);
}

std::vector<std::string> ways_to_compile(const TemporaryDirectory& scratch) {
  const std::string sanitized = "-fsanitize=undefined,address -fno-sanitize-recover=all";
  std::vector<std::string> ways;
  for (const char* compiler : {"gcc", "clang"}) {
    if (!has_command(scratch, compiler)) continue;
    for (const std::string& flags : {std::string("-O2"), "-O0 " + sanitized, std::string("-O0"),
                                     "-O2 " + sanitized, std::string("-Os")}) {
      ways.push_back(std::string(compiler) + " " + flags);
    }
  }
  return ways;
}

/// A network with everything a bottleneck of MobileNetV2 and a residual block have, larger than
/// the random ones.
IntModel residual_model() {
  testing::Draw draw(7);
  IntModel model;
  model.network = "residual";
  model.height = model.width = 12;
  model.channels = 3;
  const auto add = [&](testing::LayerOptions options, int input, int shortcut) {
    options.with_add = shortcut >= 0;
    options.in_max = model.layers.empty() ? 255 : 15;
    if (options.max_code > 0) options.max_code = 15;
    if (shortcut >= 0) {
      options.add_zero = model.layers[static_cast<std::size_t>(shortcut)].zero_point;
    }
    IntLayer layer = testing::make_layer(options, draw);
    layer.name = "unit" + std::to_string(model.layers.size());
    layer.input = input;
    layer.add = shortcut;
    model.layers.push_back(layer);
  };
  using Kind = IntLayerKind;
  add({.shape = {1, 12, 12, 3, 16, 3, 3, 1, 1}, .weight_bits = 8}, -1, -1);
  add({.shape = {1, 12, 12, 16, 48, 1, 1, 1, 0}, .weight_bits = 2, .per_channel = true}, -1, -1);
  add({.shape = {1, 12, 12, 48, 48, 3, 3, 1, 1, 48}, .weight_bits = 3}, -1, -1);
  add({.shape = {1, 12, 12, 48, 16, 1, 1, 1, 0}, .weight_bits = 4, .zero_point = 8}, -1, 0);
  add({.shape = {1, 12, 12, 16, 32, 3, 3, 2, 1, 4}, .weight_bits = 2}, 3, -1);
  add({.shape = {1, 12, 12, 16, 32, 1, 1, 2, 0}, .weight_bits = 1, .zero_point = 8}, 3, -1);
  add({.shape = {1, 6, 6, 32, 32, 3, 3, 1, 1},
       .weight_bits = 5,
       .pool_kernel = 3,
       .pool_stride = 2},
      4, 5);
  add({.kind = Kind::avg_pool, .shape = {1, 2, 2, 32, 32, 2, 2, 1, 0}}, -1, -1);
  add({.kind = Kind::linear, .shape = {1, 1, 1, 32, 10}, .weight_bits = 6, .max_code = 0}, -1, -1);
  model.classes = 10;
  check_model(model, "residual model");
  return model;
}

void compare(const IntModel& model, std::uint64_t seed, const std::vector<std::string>& ways,
             const TemporaryDirectory& scratch) {
  const std::string wanted = write_net(scratch, model, 8, seed);
  for (const std::string& way : ways) {
    INFO("model " << seed << " by " << way);
    must_run(scratch, way + " " + kStrict + "-include net.h net.c '" +
                          source_path("tests/export/host.c") +
                          "' -o net && ./net < images.raw > logits.raw");
    CHECK(differences(slurp(scratch.path("logits.raw")), wanted) == 0);
  }
}

}  // namespace

TEST_CASE("exported C gives the engine's logits", "[export][export-c]") {
  if (!fs::exists("tests/export/host.c")) INTANDEM_SKIP("not run from the sources' directory");
  const TemporaryDirectory scratch;
  const std::vector<std::string> ways = ways_to_compile(scratch);
  if (ways.empty()) INTANDEM_SKIP("neither gcc nor clang is there");
  compare(residual_model(), 0, ways, scratch);
  const std::uint64_t models = from_environment("INTANDEM_MODELS", 12);
  const std::uint64_t first = from_environment("INTANDEM_FIRST_MODEL", 1);
  for (std::uint64_t seed = first; seed < first + models; ++seed) {
    // Each model in one of the ways; where somebody asks for models, in all of them.
    const std::string& way = ways[seed % ways.size()];
    compare(testing::random_model(seed), seed,
            std::getenv("INTANDEM_MODELS") != nullptr ? ways : std::vector<std::string>{way},
            scratch);
  }
}

TEST_CASE("exported C calls no library", "[export][export-c]") {
  const TemporaryDirectory scratch;
  write_net(scratch, residual_model(), 2, 1);
  const std::string source = slurp(scratch.path("net.c"));
  for (const char* word : {"float ", "double ", "malloc", "memcpy("}) {
    CHECK_THAT(source, !Catch::Contains(word));
  }
  if (!has_command(scratch, "nm")) INTANDEM_SKIP("no nm");
  for (const std::string compiler : {"gcc", "clang"}) {
    if (!has_command(scratch, compiler)) continue;
    for (const std::string flags : {"-O2", "-O3", "-Os", "-O3 -ffreestanding -nostdlib"}) {
      // No undefined symbol is left, even where a compiler knows memcpy and memset.
      must_run(scratch, compiler + " -std=c99 " + flags +
                            " -c net.c -o net.o && nm -u net.o > undefined && ! grep U undefined");
    }
  }
}

TEST_CASE("exported main.c classifies image files", "[export][export-c]") {
  const TemporaryDirectory scratch;
  if (!has_command(scratch, "gcc") || !has_command(scratch, "make")) INTANDEM_SKIP("no gcc, make");
  const IntModel model = residual_model();
  const std::string wanted = write_net(scratch, model, 3, 5);
  CProgram program{
      "net", "*/ int x; /*", {"a\"b\\", "?\?/", "\n", "d", "e", "f", "g", "h", "i", "%s"}};
  write_generated(scratch.path(), c_program(model, program, measure_c(model, "test")));
  must_run(scratch, std::string("make -s CFLAGS='-O1 ") + kStrict + "'");
  const std::string pixels = slurp(scratch.path("images.raw"));
  const std::string third = pixels.substr(2 * 432);
  scratch.write("good.ppm", "P6\n# made up\n12 12\n255\n" + third);
  std::string logits = "logits";
  for (std::size_t k = 0; k < 10; ++k) {
    std::int32_t logit = 0;
    std::memcpy(&logit, wanted.data() + (20 + k) * 4, 4);
    logits += " " + std::to_string(logit);
  }
  must_run(scratch, "./classify good.ppm > text && ./classify --raw images.raw > texts");
  CHECK_THAT(slurp(scratch.path("text")),
             Catch::Contains("good.ppm: image 0: class ") && Catch::Contains(logits + "\n"));
  CHECK_THAT(slurp(scratch.path("texts")),
             Catch::Contains("images.raw: image 2: class ") && Catch::Contains(logits + "\n"));
  scratch.write("short.ppm", "P6 12 12 255\n" + third.substr(1));
  scratch.write("size.ppm", "P6 12 13 255\n" + third);
  scratch.write("grey.pgm", "P5 12 12 255\n" + third);
  scratch.write("deep.ppm", "P6 12 12 65535\n" + third);
  scratch.write("empty.ppm", "");
  for (const char* bad : {"short.ppm", "size.ppm", "grey.pgm", "deep.ppm", "empty.ppm", "none"}) {
    INFO(bad);
    must_run(scratch, std::string("! ./classify ") + bad +
                          " > out 2> error && [ ! -s out ] && "
                          "grep -q '^classify: error: ' error");
  }
  must_run(scratch,
           "make -s size > sizes && grep -q net_run sizes && make -s clean && [ ! -e net.o ]");
}
