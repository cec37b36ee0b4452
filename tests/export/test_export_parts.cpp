// The parts of the C exporter: names, memory plan, packed weights, files that may be replaced.
#include <set>

#include "core/container.hpp"
#include "quant/export/c_text.hpp"
#include "quant/export/packed_weights.hpp"
#include "tests/export/exported.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::export_test;
namespace fs = std::filesystem;

TEST_CASE("names and texts of C are harmless whatever the model says", "[export]") {
  CHECK(c_name("runs/x/w2a2.safetensors") == "w2a2");
  CHECK(c_name("a-b c.d.safetensors") == "a_b_c_d");
  CHECK(c_name("9lives.safetensors") == "model_9lives");
  CHECK(c_name("int.safetensors") == "model_int");
  CHECK(c_name("Stdint.safetensors") == "model_Stdint");
  CHECK(c_name("main.safetensors") == "model_main");
  CHECK(c_name("ä.safetensors") == "model___");
  CHECK(c_name("/") == "model_");
  CHECK(c_name(std::string(300, 'x')).size() == 40);
  CHECK(c_comment("*/ int x; // ?\?/\n") == "__ int x_ __ ____");
  CHECK(c_comment(std::string(300, 'x')).size() == 100);
  CHECK(c_string("a\"b\\c?\n\xff%") == "\"a\\042b\\134c\\077\\012\\377%\"");
  CHECK(c_numbers(std::vector<std::int32_t>{-2147483647 - 1, 7}) == "  -2147483647 - 1, 7\n");
}

TEST_CASE("weights are packed at their bit-width", "[export]") {
  testing::Draw draw(3);
  for (std::int32_t bits = 1; bits <= 8; ++bits) {
    for (const bool odd : {false, true}) {
      if ((odd && bits == 8) || (!odd && bits == 1)) continue;
      testing::LayerOptions options;
      options.shape = {1, 5, 5, 3, 7, 3, 3, 1, 1};
      options.weight_bits = bits;
      options.odd_codes = odd;
      const IntLayer layer = testing::make_layer(options, draw);
      const PackedWeights packed = pack_weights(layer);
      INFO("W" << bits << (odd ? ", odd" : ""));
      CHECK(packed.bits == bits);
      CHECK(packed.row_bytes == (27 * bits + 7) / 8);
      REQUIRE(static_cast<std::int64_t>(packed.bytes.size()) == 7 * packed.row_bytes);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < layer.weights.size(); ++i) {
        std::int32_t field = 0;
        for (std::int32_t b = 0; b < bits; ++b) {
          const std::int64_t bit = i % 27 * bits + b;
          const std::uint8_t byte =
              packed.bytes[static_cast<std::size_t>(i / 27 * packed.row_bytes + bit / 8)];
          field |= ((byte >> (bit % 8)) & 1) << b;
        }
        wrong += packed.low + packed.step * field != layer.weights[i];
      }
      CHECK(wrong == 0);
    }
  }
}

namespace {

/// Bytes that a buffer of the plan must not share while it is needed.
struct Use {
  std::int64_t offset, bytes;
  int first, last;
};

std::vector<Use> uses_of(const IntModel& model, const ArenaPlan& plan) {
  std::vector<Use> uses;
  for (std::size_t k = 0; k < model.layers.size(); ++k) {
    const IntLayer& layer = model.layers[k];
    const int step = static_cast<int>(k);
    if (plan.column[k] >= 0) {
      uses.push_back(
          {plan.column[k], layer.shape.R * layer.shape.S * layer.shape.group_C(), step, step});
    }
    if (plan.output[k] < 0) continue;
    int last = step;
    for (int reader = step + 1; reader < static_cast<int>(model.layers.size()); ++reader) {
      const IntLayer& later = model.layers[static_cast<std::size_t>(reader)];
      const bool same_place =
          later.add == step && plan.output[static_cast<std::size_t>(reader)] == plan.output[k];
      // Written over its shortcut: the old codes are needed up to the layer before.
      if (model.input_of(reader) == step || later.add == step) last = reader - (same_place ? 1 : 0);
    }
    uses.push_back({plan.output[k], layer.output_size(), step, last});
  }
  return uses;
}

}  // namespace

TEST_CASE("buffers that are needed at once do not share memory", "[export]") {
  std::int64_t tight = 0, in_place = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const IntModel model = testing::random_model(seed);
    const ArenaPlan plan = plan_arena(model);
    const std::vector<Use> uses = uses_of(model, plan);
    std::int64_t overlaps = 0, end = 0;
    for (std::size_t i = 0; i < uses.size(); ++i) {
      end = std::max(end, uses[i].offset + uses[i].bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const Use &a = uses[i], &b = uses[j];
        overlaps += a.first <= b.last && b.first <= a.last && a.offset < b.offset + b.bytes &&
                    b.offset < a.offset + a.bytes;
      }
    }
    INFO("model " << seed);
    CHECK(overlaps == 0);
    CHECK(end == plan.bytes);
    CHECK(plan.bytes >= plan.least_bytes);
    tight += plan.bytes == plan.least_bytes;
    for (const IntLayer& layer : model.layers) {
      const auto k = static_cast<std::size_t>(&layer - model.layers.data());
      in_place += layer.add >= 0 && plan.output[k] >= 0 &&
                  plan.output[k] == plan.output[static_cast<std::size_t>(layer.add)];
    }
  }
  CHECK(tight >= 290);
  CHECK(in_place > 0);
}

TEST_CASE("the demo's network in 2 bits fits 128 KB of flash and 32 KB of RAM", "[export]") {
  const CFootprint footprint = measure_c(demo_network(), "demo");
  CHECK(footprint.flash_bytes() <= 128 * 1024);
  CHECK(footprint.ram_bytes() <= 32 * 1024);
  CHECK(footprint.arena.bytes == 6848);
  CHECK(footprint.arena.bytes == footprint.arena.least_bytes);
}

TEST_CASE("only files that export wrote are replaced", "[export]") {
  const TemporaryDirectory scratch;
  using Comment = GeneratedFile::Comment;
  const std::vector<GeneratedFile> first = {{"a.c", Comment::c, "int a;\n"},
                                            {"Makefile", Comment::hash, "all:\n"}};
  const std::vector<GeneratedFile> second = {{"a.c", Comment::c, "int b;\n"},
                                             {"Makefile", Comment::hash, "none:\n"}};
  const std::string directory = scratch.path("out/deep");
  write_generated(directory, first);
  write_generated(directory, second);
  const std::string written = slurp(directory + "/a.c");
  CHECK_THAT(written, Catch::StartsWith("/* Generated") && Catch::EndsWith("*/\nint b;\n"));
  CHECK_THAT(slurp(directory + "/Makefile"), Catch::StartsWith("# Generated"));

  std::ofstream(directory + "/Makefile", std::ios::app) << "mine: a.c\n";
  test::check_error([&] { write_generated(directory, first); }, {"Makefile", "edited"});
  CHECK(slurp(directory + "/a.c") == written);  // nothing of the set
  std::ofstream(directory + "/Makefile") << "mine: a.c\n";
  test::check_error([&] { write_generated(directory, first); }, {"Makefile", "not written by"});
  fs::remove(directory + "/Makefile");
  fs::create_directory(directory + "/Makefile");
  test::check_error([&] { write_generated(directory, first); }, {"Makefile"});
  CHECK(slurp(directory + "/a.c") == written);
  test::check_error([&] { write_generated(directory + "/a.c", first); }, {"a.c"});
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(directory)) files += entry.exists();
  CHECK(files == 2);  // no temporary is left
}

TEST_CASE("intandem export writes a program and says what it takes", "[export][cli]") {
  INTANDEM_NEED_PROGRAM();
  const TemporaryDirectory scratch;
  const IntModel model = testing::random_model(1);
  Container file("integer-model");
  store_model(model, file);
  file.save(scratch.path("my net.safetensors"));
  const std::vector<std::string> words = {"export", scratch.path("my net.safetensors"), "--c",
                                          scratch.path("out")};
  const Outcome outcome = apps_test::run(scratch, words);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, Catch::Contains("flash: ") && Catch::Contains("RAM: ") &&
                              Catch::Contains("my_net.h my_net.c main.c Makefile"));
  const std::string source = slurp(scratch.path("out/my_net.c"));
  CHECK(apps_test::run(scratch, words).code == 0);
  CHECK(slurp(scratch.path("out/my_net.c")) == source);

  using apps_test::check_one_error;
  check_one_error(apps_test::run(scratch, {"export", words[1]}), 2, {"--c"});
  check_one_error(apps_test::run(scratch, {"export", words[1], "--c", ""}), 2, {"--c", "empty"});
  Container teacher("teacher");
  teacher.save(scratch.path("teacher.safetensors"));
  check_one_error(apps_test::run(scratch, {"export", scratch.path("teacher.safetensors"), "--c",
                                           scratch.path("none")}),
                  1, {"teacher"});
  CHECK_FALSE(fs::exists(scratch.path("none")));
  std::ofstream(scratch.path("out/main.c")) << "int main(void) { return 0; }\n";
  check_one_error(apps_test::run(scratch, words), 1, {"main.c", "move it away"});
}
