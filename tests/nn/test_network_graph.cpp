// Networks beyond a chain: units that read any earlier unit, groups, global pools; the built-in
// networks against the figures of the literature; network files.
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "core/file.hpp"
#include "nn/network.hpp"
#include "tests/nn/reference.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using Catch::Contains;
using reference::Array;
using reference::random_tensor;

namespace {

/// A block with a projection shortcut that is read by its first unit's successor, a grouped and a
/// depthwise convolution, a linear bottleneck and a global pool.
NetworkSpec block_spec() {
  NetworkSpec spec{"block", 6, 8, 4, 3, {}};
  spec.units = {
      {.name = "stem", .out = 6, .kernel = 3, .pad = 1},
      {.name = "side", .out = 8, .stride = 2, .relu = false},
      {.name = "a", .out = 8, .kernel = 3, .stride = 2, .pad = 1, .input = "stem", .groups = 2},
      {.name = "dw", .out = 8, .kernel = 3, .pad = 1, .groups = 8},
      {.name = "b", .out = 8, .relu = false, .add = "side"},
      {.name = "c", .out = 5, .input = "b"},
      {.name = "mean", .kind = UnitKind::avg_pool, .kernel = 0, .batch_norm = false, .relu = false},
      {.name = "fc", .kind = UnitKind::linear, .out = 3, .batch_norm = false, .relu = false}};
  return spec;
}

std::string error_of(const std::function<void(NetworkSpec&)>& change) {
  NetworkSpec spec = block_spec();
  change(spec);
  try {
    infer_geometry(spec);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

struct Counts {
  std::int64_t parameters = 0, macs = 0;
};

Counts count(const std::string& name, double width, std::int64_t classes) {
  const NetworkSpec spec = make_network(name, width, classes);
  const auto geometry = infer_geometry(spec);
  Counts counts;
  for (std::size_t k = 0; k < geometry.size(); ++k) {
    if (spec.units[k].kind == UnitKind::avg_pool) continue;
    const ConvShape& s = geometry[k].shape;
    counts.parameters += s.K * s.reduction() + (spec.units[k].batch_norm ? 2 * s.K : s.K);
    counts.macs += s.macs();
  }
  return counts;
}

}  // namespace

TEST_CASE("units read any earlier unit", "[nn][network]") {
  const auto g = infer_geometry(block_spec());
  CHECK(g[0].from == -1);
  CHECK(g[1].from == 0);
  CHECK(g[2].from == 0);
  CHECK(g[3].from == 2);
  CHECK(g[4].add == 1);
  CHECK(g[2].shape.groups == 2);
  CHECK(g[2].shape.reduction() == 9 * 3);
  CHECK(g[3].shape.is_depthwise());
  CHECK(g[3].shape.macs() == 3 * 4 * 8 * 9);
  CHECK(g[6].shape.R == 3);  // the whole 3×4 image
  CHECK(g[6].shape.S == 4);
  CHECK(g[6].output == Shape{1, 1, 5});
  CHECK(network_from_json(to_json(block_spec()), "file") == block_spec());
}

TEST_CASE("what units cannot read or group is said", "[nn][network]") {
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[2].input = "c"; }),
             Contains("unit a") && Contains("reads 'c'") && Contains("no earlier unit"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[2].input = "a"; }), Contains("no earlier unit"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[4].add.clear(); }),
             Contains("unit side") && Contains("no later unit reads"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[2].groups = 4; }),
             Contains("6 input and 8 output channels") && Contains("4 groups"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[2].groups = 0; }), Contains("0 groups"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[7].groups = 3; }), Contains("only a conv unit"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[0].kernel = 0; }), Contains("kernel"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[0].pool_kernel = s.units[0].pool_stride = 16; }),
             Contains("at most 15"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[4].stride = 2; }), Contains("adds 'side'"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[0].out = std::int64_t{1} << 40; }),
             Contains("unit stem") && Contains("extent"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.units[0].out = s.units[1].out = 1 << 20; }),
             Contains("2^31 elements"));
  CHECK_THAT(error_of([](NetworkSpec& s) { s.height = s.width = 1 << 20; }), Contains("2^31"));
  NetworkSpec mean{"mean", 4, 4, 1, 1, {block_spec().units[6]}};
  CHECK_THROWS_WITH(infer_geometry(mean), Contains("begin with a conv or linear unit"));
}

TEST_CASE("a network with branches computes what its units say", "[nn][network]") {
  FloatNetwork net(block_spec(), Rng(5));
  const TensorF x = random_tensor({2, 6, 8, 4}, 1);
  const TensorF logits = net.predict(x);
  // Batch norm of a new network is 1/√(1 + ε) times its input.
  const double gain = 1.0 / std::sqrt(1.0 + 1e-5);
  const auto conv = [&](const Array& in, int k, std::int64_t stride, std::int64_t pad) {
    const Array w(net.unit(k).weight.value);
    Array z = reference::conv2d(in, w, nullptr, stride, pad);
    for (double& v : z.v) v *= gain;
    return z;
  };
  const Array stem = reference::relu(conv(Array(x), 0, 1, 1));
  const Array side = conv(stem, 1, 2, 0);
  const Array a = reference::relu(conv(stem, 2, 2, 1));
  const Array dw = reference::relu(conv(a, 3, 1, 1));
  Array b = conv(dw, 4, 1, 0);
  for (std::int64_t i = 0; i < b.size(); ++i) b[i] += side[i];
  const Array c = reference::relu(conv(b, 5, 1, 0));
  Array mean({2, 5});
  for (std::int64_t i = 0; i < c.size(); ++i) mean[i / 60 * 5 + i % 5] += c[i] / 12.0;
  const Array fc_weight(net.unit(7).weight.value);
  const Array expected = reference::linear(mean, fc_weight, nullptr);
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    CHECK(logits[i] == Approx(expected[i]).margin(1e-5));
  }
}

TEST_CASE("the built-in networks have the figures of the literature", "[nn][network]") {
  struct Known {
    const char* name;
    double width;
    std::int64_t classes, parameters, macs;
  };
  // Parameters with batch-norm scales and offsets; multiply-accumulates of convolutions and linear
  // layers. ResNet-18: torchvision's counts; its 2×2 pool leaves both as they are.
  for (const Known& known : {
           Known{"fashion-alexnet", 1, 10, 279930, 5914112},
           Known{"alexnet-cifar", 1, 10, 11736298, 223399936},
           Known{"cifar-alexnet-64", 1, 10, 6979530, 171643904},
           Known{"alexnet", 1, 1000, 62387912, 1135256096},
           Known{"vgg-small", 1, 10, 4660106, 607600640},
           Known{"resnet20", 1, 10, 272474, 40813184},
           Known{"resnet18", 1, 1000, 11689512, 1814073344},
           Known{"resnet18-cifar", 1, 10, 11173962, 555422720},
           Known{"mobilenet", 1, 1000, 4231976, 568740352},
           Known{"mobilenet", 0.25, 1000, 470072, 41030272},
           Known{"mobilenet-cifar", 1, 10, 3217226, 46354432},
       }) {
    INFO(known.name << " width " << known.width);
    const Counts counts = count(known.name, known.width, known.classes);
    CHECK(counts.parameters == known.parameters);
    CHECK(counts.macs == known.macs);
  }
}

TEST_CASE("the networks in apps/configs/networks are valid", "[nn][network]") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("apps/configs/networks")) {
    INFO(entry.path());
    const NetworkSpec spec = network_from_file(entry.path());
    CHECK(spec.name == entry.path().stem());
    ++files;
  }
  CHECK(files >= 2);
}

TEST_CASE("a network file is refused with its name and the place", "[nn][network]") {
  const test::TemporaryDirectory scratch;
  const std::string path = scratch.path("net.json");
  const auto refused = [&](const std::string& text) {
    write_file_atomic(path, text);
    try {
      network_from_file(path);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::string good = to_json(block_spec());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return refused(text.replace(at, from.size(), to));
  };
  CHECK(refused(good) == "accepted");
  CHECK_THAT(refused("{\n\"name\": \"x\",\n}"), Contains("net.json") && Contains("line 3"));
  CHECK_THAT(refused(""), Contains("net.json") && Contains("not valid JSON"));
  CHECK_THAT(refused("[]"), Contains("net.json") && Contains("not a JSON object"));
  CHECK_THAT(refused(good.substr(0, good.size() / 2)), Contains("not valid JSON"));
  CHECK_THAT(replaced("\"input\":\"stem\"", "\"input\":3"), Contains("\"input\" is not a string"));
  CHECK_THAT(replaced("\"input\":\"stem\"", "\"input\":\"steam\""), Contains("'steam'"));
  CHECK_THAT(replaced("\"groups\":2", "\"groups\":2.5"), Contains("\"groups\" is not an integer"));
  CHECK_THAT(replaced("\"groups\":2", "\"groups\":-2"), Contains("-2 groups"));
  CHECK_THAT(replaced("\"groups\":2", "\"group\":2"), Contains("unknown key \"group\""));
  CHECK_THAT(replaced("\"groups\":2", "\"groups\":2,\"groups\":2"), Contains("appears twice"));
  std::filesystem::remove(path);
  CHECK_THROWS_WITH(network_from_file(path), Contains("net.json"));
  CHECK_THROWS_AS(network_from_file(scratch.path(".")), Error);
}
