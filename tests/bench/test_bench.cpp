#include <catch2/catch.hpp>
#include <filesystem>

#include "bench/bar_chart.hpp"
#include "bench/bench_options.hpp"
#include "bench/int_case.hpp"
#include "bench/shapes.hpp"
#include "core/error.hpp"

using namespace intandem;
using namespace intandem::bench;

namespace {

BenchOptions parse(std::vector<std::string> words) {
  words.insert(words.begin(), "bench");
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  int argc = static_cast<int>(argv.size());
  const BenchOptions options = take_options(argc, argv.data());
  CHECK(argc == 1 + (words.back() == "--benchmark_filter=x"));
  return options;
}

}  // namespace

TEST_CASE("bench options are taken out, others left", "[bench]") {
  const BenchOptions options = parse({"--batch=1,16", "--bits=4", "--network=vgg16,vgg_small",
                                      "--isa=ref", "--benchmark_filter=x"});
  CHECK(options.batches == std::vector<std::int64_t>{1, 16});
  CHECK(options.bits == std::vector<std::int32_t>{4});
  CHECK(options.networks == std::vector<std::string>{"vgg16", "vgg_small"});
  CHECK(options.isas == std::vector<Isa>{Isa::ref});
  for (const char* wrong : {"--batch=0", "--batch=x", "--bits=9", "--isa=sse"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse({wrong}), Error);
  }
}

TEST_CASE("every bar of a chart is drawn, and nothing for missing values", "[bench]") {
  BarChart chart;
  chart.title = "a < b";
  chart.categories = {"one", "two"};
  chart.series = {{"x", {10.0, 0.0}}, {"y", {20.0, 40.0}}};
  chart.reference = 50;
  chart.reference_label = "peak";
  const std::string svg = bar_chart(chart);
  std::size_t rectangles = 0;
  for (std::size_t at = 0; (at = svg.find("<rect ", at)) != std::string::npos; ++at) ++rectangles;
  CHECK(rectangles == 1 + 2 + 3);  // background, legend, bars
  CHECK(svg.find("a &lt; b") != std::string::npos);
  CHECK(svg.find("stroke-dasharray") != std::string::npos);
  CHECK(bar_chart({}).find("no data") != std::string::npos);
}

TEST_CASE("random layers keep their ranges and use their output codes", "[bench]") {
  for (const std::int32_t bits : {1, 2, 4, 8}) {
    const IntLayer layer = random_layer({1, 5, 5, 16, 8, 3, 3, 1, 1}, bits);
    CHECK(layer.in_max == (1 << bits) - 1);
    for (const std::int8_t w : layer.weights)
      CHECK(std::abs(int{w}) <= std::max(1, (1 << (bits - 1)) - 1));
    const auto input = random_codes(5 * 5 * 16, layer.in_max);
    const Workload workload(prepare_reference(layer), layer, 1, input);
    workload.run();
    const std::vector<std::uint8_t> codes = workload.codes();
    CHECK(codes == reference_codes(layer, input, "test" + std::to_string(bits)));
    CHECK(*std::max_element(codes.begin(), codes.end()) > 0);
  }
}

TEST_CASE("every shape file reads", "[bench]") {
  if (!std::filesystem::exists("bench/shapes")) return;
  CHECK(read_shapes("bench/shapes/vgg16.txt").size() == 12);
  CHECK(read_all_shapes().size() > 40);
}
