// Graphs that are well-formed files and yet wrong: every one is refused with an Error, or becomes a
// network that can be computed. Bytes are mutated by tests/fuzz/fuzz_onnx.cpp; here it is nodes.
#include <catch2/catch.hpp>
#include <limits>

#include "core/rng.hpp"
#include "nn/onnx/onnx_import.hpp"
#include "tests/exchange/exchange_files.hpp"
#include "tests/skip.hpp"

using namespace intandem;
using namespace intandem::exchange_test;

namespace {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : rng_(seed) {}

  void change(OnnxGraph& graph) {
    OnnxNode& node = graph.nodes[below(graph.nodes.size())];
    switch (below(9)) {
      case 0:  // another operator
        node.op = graph.nodes[below(graph.nodes.size())].op;
        break;
      case 1: {  // another input
        const OnnxNode& other = graph.nodes[below(graph.nodes.size())];
        if (node.inputs.empty() || other.inputs.empty()) break;
        node.inputs[below(node.inputs.size())] = other.inputs[below(other.inputs.size())];
        break;
      }
      case 2:  // what another node gives
        if (node.inputs.empty()) break;
        node.inputs[below(node.inputs.size())] = graph.nodes[below(graph.nodes.size())].outputs[0];
        break;
      case 3:
        if (!node.inputs.empty()) node.inputs.resize(below(node.inputs.size() + 1));
        break;
      case 4:  // a node goes, and its readers read what it read
        if (node.inputs.empty()) break;
        node.op = "Identity";
        node.inputs.resize(1);
        node.attributes.clear();
        break;
      case 5:
        for (auto& [name, attribute] : node.attributes) change_numbers(attribute);
        break;
      case 6: {
        auto at = graph.initializers.begin();
        std::advance(at, below(graph.initializers.size()));
        change_tensor(at->second);
        break;
      }
      case 7:
        change_number(graph.inputs[0].dims[below(graph.inputs[0].dims.size())]);
        break;
      default:
        graph.outputs[0] = node.outputs[0];
    }
  }

 private:
  std::size_t below(std::size_t bound) {
    return rng_.below(draw_++, static_cast<std::uint32_t>(bound));
  }

  void change_number(std::int64_t& value) {
    constexpr std::int64_t kLimits[] = {0,
                                        -1,
                                        1,
                                        2,
                                        3,
                                        7,
                                        1 << 20,
                                        std::int64_t{1} << 31,
                                        std::int64_t{1} << 62,
                                        std::numeric_limits<std::int64_t>::max(),
                                        std::numeric_limits<std::int64_t>::min()};
    value = kLimits[below(std::size(kLimits))];
  }

  void change_numbers(OnnxAttribute& attribute) {
    change_number(attribute.i);
    if (!attribute.ints.empty()) change_number(attribute.ints[below(attribute.ints.size())]);
    attribute.f = static_cast<float>(attribute.i);
    if (attribute.tensor) change_tensor(*attribute.tensor);
  }

  /// Other dims of as many elements, fewer elements, or other values.
  void change_tensor(OnnxTensor& tensor) {
    const std::size_t kind = below(4);
    if (kind == 0 && tensor.dims.size() > 1) {
      std::swap(tensor.dims[0], tensor.dims[below(tensor.dims.size())]);
    } else if (kind == 1) {
      tensor.dims = {tensor.size()};
    } else if (kind == 2) {
      if (!tensor.floats.empty()) tensor.floats.pop_back();
      if (!tensor.ints.empty()) tensor.ints.pop_back();
      tensor.dims = {tensor.size()};
    } else {
      for (std::int64_t& value : tensor.ints) change_number(value);
      for (float& value : tensor.floats) value *= 3e38f;
    }
  }

  Rng rng_;
  std::uint64_t draw_ = 0;
};

/// Whether the graph was taken. Its network is then computed, if that takes a moment only.
bool take(const OnnxGraph& graph) {
  try {
    ImportedNetwork imported = import_onnx(graph, "mutated");
    const NetworkSpec& spec = imported.net.spec();
    REQUIRE(imported.gain.size() == static_cast<std::size_t>(spec.channels));
    std::int64_t work = spec.height * spec.width;
    for (const UnitGeometry& g : imported.net.geometry()) {
      work += g.product.size() * std::min<std::int64_t>(g.shape.reduction(), 4096);
    }
    if (work > 3'000'000) return true;
    const TensorF logits =
        imported.net.predict(TensorF::full({1, spec.height, spec.width, spec.channels}, 0.5f));
    REQUIRE(logits.size() == spec.classes);
    return true;
  } catch (const Error& error) {
    const std::string text = error.what();
    INFO(text);
    // The file is named, and no check inside the program had to stop it.
    CHECK_THAT(text, Catch::StartsWith(graph.path) && !Catch::Contains("this is a bug"));
    return false;
  }
}

}  // namespace

TEST_CASE("graphs with something changed are refused or computed", "[exchange][random]") {
  if (!has_onnx()) INTANDEM_SKIP("built without ONNX");
  int taken = 0, refused = 0;
  for (const char* name : {"stem", "odd", "normalizing", "mobilenetv1-small", "broken/good"}) {
    const OnnxGraph graph = read_onnx(kGolden + "/" + name + ".onnx");
    REQUIRE(take(graph));
    const char* text = std::getenv("INTANDEM_MUTATIONS");
    const std::uint64_t count = text != nullptr ? std::strtoull(text, nullptr, 10) : 300;
    for (std::uint64_t seed = 0; seed < count; ++seed) {
      INFO(name << ", mutation " << seed);
      OnnxGraph changed = graph;
      Mutator mutator(seed);
      for (std::uint64_t i = 0; i <= seed % 3; ++i) mutator.change(changed);
      (take(changed) ? taken : refused) += 1;
    }
  }
  CHECK(taken > 100);
  CHECK(refused > 100);
}
