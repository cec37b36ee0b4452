// Networks as data: geometry, JSON, the registry, storage; and the float network as a whole.
#include <cstring>

#include "core/container.hpp"
#include "core/parallel.hpp"
#include "nn/network.hpp"
#include "nn/sgd.hpp"
#include "tests/nn/reference.hpp"

using namespace intandem;
using reference::random_tensor;

namespace {

// A convolution, a residual block, pooling and two linear layers: every feature once.
NetworkSpec small_spec() {
  NetworkSpec spec{"small", 8, 8, 2, 3, {}};
  UnitSpec c1{.name = "c1", .out = 8, .kernel = 3, .pad = 1, .pool_kernel = 2, .pool_stride = 2};
  UnitSpec c2{.name = "c2", .out = 8, .kernel = 3, .pad = 1, .add = "c1"};
  UnitSpec mean{.name = "mean",
                .kind = UnitKind::avg_pool,
                .kernel = 2,
                .stride = 2,
                .batch_norm = false,
                .relu = false};
  UnitSpec f1{.name = "f1", .kind = UnitKind::linear, .out = 16, .dropout = 0.25f};
  UnitSpec f2{.name = "f2", .kind = UnitKind::linear, .out = 3, .batch_norm = false, .relu = false};
  spec.units = {c1, c2, mean, f1, f2};
  return spec;
}

struct Data {
  TensorF x;
  std::vector<std::int32_t> labels;
};

// Noise plus a pattern per class.
Data synthetic(std::int64_t n) {
  Data d{random_tensor({n, 8, 8, 2}, 3), {}};
  const TensorF pattern = random_tensor({3, 8, 8, 2}, 4);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t label = i % 3;
    d.labels.push_back(static_cast<std::int32_t>(label));
    for (std::int64_t j = 0; j < 128; ++j) d.x[i * 128 + j] += 0.7f * pattern[label * 128 + j];
  }
  return d;
}

double train_step(FloatNetwork& net, Sgd& sgd, const Data& d, std::uint64_t step) {
  Tape tape;
  std::vector<Var> values;
  const FloatNetwork::Mode mode{
      .training = true, .train_parameters = true, .rng = Rng(1).stream(step)};
  sgd.zero_grad();
  const Var z = net.forward(tape, 0, net.unit_count(), tape.constant(d.x), values, mode);
  const Var loss = cross_entropy(tape, z, d.labels, 0.0f);
  const double value = loss->value[0];
  tape.backward(loss);
  sgd.step(0.05f);
  return value;
}

std::string error_of(const NetworkSpec& spec) {
  try {
    infer_geometry(spec);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("geometry follows the units", "[nn][network]") {
  const auto g = infer_geometry(small_spec());
  REQUIRE(g[0].product == Shape{8, 8, 8});
  REQUIRE(g[0].output == Shape{4, 4, 8});
  REQUIRE(g[1].input == Shape{4, 4, 8});
  REQUIRE(g[1].add == 0);
  REQUIRE(g[2].output == Shape{2, 2, 8});
  REQUIRE(g[3].shape.C == 32);
  REQUIRE(g[3].shape.is_linear());
  REQUIRE(g[4].output == Shape{3});
  REQUIRE(g[4].add == -1);
}

TEST_CASE("impossible geometry names network, unit and remedy", "[nn][network]") {
  const auto broken = [](auto change) {
    NetworkSpec spec = small_spec();
    change(spec);
    return error_of(spec);
  };
  using Catch::Contains;
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[1].add = "nowhere"; }),
             Contains("unit c2") && Contains("nowhere"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[1].out = 16; }), Contains("[4, 4, 16]"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[0].kernel = 11; }), Contains("11x11"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[0].pool_kernel = 9; }), Contains("window of 9"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[0].pool_stride = 0; }), Contains("pool_stride"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[4].out = 4; }), Contains("4 values"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[3].dropout = 1.0f; }), Contains("dropout"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[3].kernel = 2; }), Contains("unit f1"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[2].batch_norm = true; }), Contains("avg_pool"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units[3].name = "c1"; }), Contains("earlier unit"));
  CHECK_THAT(broken([](NetworkSpec& s) { std::swap(s.units[2], s.units[3]); }),
             Contains("follows a linear unit"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.units.clear(); }), Contains("no units"));
  CHECK_THAT(broken([](NetworkSpec& s) { s.classes = 0; }), Contains("classes"));
}

TEST_CASE("a network survives JSON", "[nn][network]") {
  REQUIRE(network_from_json(to_json(small_spec()), "file") == small_spec());
  for (const std::string& name : network_names()) {
    const NetworkSpec spec = make_network(name, 0.5, 7);
    REQUIRE(network_from_json(to_json(spec), "file") == spec);
  }
}

TEST_CASE("bad JSON is refused with the file and the key", "[nn][network]") {
  const std::string good = to_json(small_spec());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    try {
      network_from_json(text, "model.file");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using Catch::Contains;
  CHECK_THAT(replaced("\"pad\"", "\"padding\""),
             Contains("model.file") && Contains("unit 0") && Contains("\"padding\""));
  CHECK_THAT(replaced("\"classes\"", "\"klasses\""), Contains("\"classes\""));
  CHECK_THAT(replaced("\"out\":8", "\"out\":\"8\""), Contains("\"out\" is not an integer"));
  CHECK_THAT(replaced("\"out\":8", "\"out\":8.5"), Contains("\"out\" is not an integer"));
  CHECK_THAT(replaced("\"out\":8", "\"out\":99999999999"), Contains("out of range"));
  CHECK_THAT(replaced("\"out\":8", "\"out\":-8"), Contains("-8 output channels"));
  CHECK_THAT(replaced("\"avg_pool\"", "\"pool\""), Contains("unknown kind \"pool\""));
  CHECK_THAT(replaced("\"relu\":true", "\"relu\":1"), Contains("\"relu\""));
  CHECK_THAT(replaced("{", "["), Contains("not valid JSON"));
  CHECK_THAT(replaced("\"height\":8", "\"height\":1"), Contains("does not fit"));
}

TEST_CASE("the registry scales networks and refuses unknown names", "[nn][network]") {
  const NetworkSpec half = make_network("alexnet", 0.5, 10);
  REQUIRE(half.units[0].out == 48);
  REQUIRE(half.units.back().out == 10);
  REQUIRE(make_network("fashion-alexnet", 0.01, 10).units[0].out == 8);
  for (const std::string& name : network_names()) REQUIRE(make_network(name, 1, 10).name == name);
  REQUIRE_THROWS_WITH(make_network("lenet", 1, 10), Catch::Contains("fashion-alexnet"));
  REQUIRE_THROWS_AS(make_network("alexnet", 0.0, 10), Error);
  REQUIRE_THROWS_AS(make_network("alexnet", 1.0, 1), Error);

  // The counts that nn/networks/*.cpp state.
  std::int64_t parameters = 0, macs = 0;
  const NetworkSpec full = make_network("alexnet", 1, 1000);
  const auto geometry = infer_geometry(full);
  for (std::size_t k = 0; k < geometry.size(); ++k) {
    const ConvShape& s = geometry[k].shape;
    parameters += s.K * s.reduction() + (full.units[k].batch_norm ? 2 * s.K : s.K);
  }
  REQUIRE(geometry[5].shape.C == 9216);
  REQUIRE(parameters == 62387912);
  for (const auto& g : infer_geometry(make_network("cifar-alexnet-64", 1, 10))) {
    macs += g.shape.macs();
  }
  REQUIRE(macs == 171643904);
}

TEST_CASE("He initialization has the stated spread", "[nn][network]") {
  const FloatNetwork net(make_network("fashion-alexnet", 1, 10), Rng(3));
  const TensorF& w = net.unit(3).weight.value;  // 64 filters of 3·3·64
  double sum = 0.0, squares = 0.0;
  for (const float value : w) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto n = static_cast<double>(w.size());
  REQUIRE(sum / n == Approx(0.0).margin(5.0 * std::sqrt(2.0 / 576.0 / n)));
  REQUIRE(squares / n == Approx(2.0 / 576.0).epsilon(0.04));
}

TEST_CASE("forward is preactivation and finish, fused or not", "[nn][network]") {
  FloatNetwork net(small_spec(), Rng(1));
  const TensorF x = random_tensor({4, 8, 8, 2}, 1);
  const FloatNetwork::Mode mode;
  Tape tape;
  std::vector<Var> values;
  const Var all = net.forward(tape, 0, 5, tape.constant(x), values, mode);
  std::vector<Var> stepwise(5);
  Var at = tape.constant(x);
  for (int k = 0; k < 5; ++k) {
    const Var z = net.preactivation(tape, k, at, stepwise, mode);
    REQUIRE(z->value.size() == 4 * net.geometry()[static_cast<std::size_t>(k)].product.size());
    at = net.finish(tape, k, z, mode);
    REQUIRE(at->value.size() == 4 * net.geometry()[static_cast<std::size_t>(k)].output.size());
    stepwise[static_cast<std::size_t>(k)] = at;
  }
  const TensorF predicted = net.predict(x);
  REQUIRE(predicted.shape() == Shape{4, 3});
  for (std::int64_t i = 0; i < 12; ++i) {
    REQUIRE(all->value[i] == at->value[i]);
    REQUIRE(predicted[i] == at->value[i]);
  }
  // A suffix can start anywhere, given what its shortcuts need.
  std::vector<Var> suffix_values(5);
  suffix_values[0] = values[0];
  const Var suffix = net.forward(tape, 1, 5, values[0], suffix_values, mode);
  for (std::int64_t i = 0; i < 12; ++i) REQUIRE(suffix->value[i] == all->value[i]);
  std::vector<Var> nothing;
  REQUIRE_THROWS_WITH(net.forward(tape, 1, 5, values[0], nothing, mode), Catch::Contains("c1"));
}

TEST_CASE("prediction does not depend on how images are grouped", "[nn][network]") {
  FloatNetwork net(small_spec(), Rng(1));
  const TensorF x = random_tensor({300, 8, 8, 2}, 1);  // more than one slice
  const TensorF all = net.predict(x);
  TensorF last(Shape{1, 8, 8, 2});
  std::copy_n(x.data() + 299 * 128, 128, last.data());
  const TensorF one = net.predict(last);
  for (std::int64_t c = 0; c < 3; ++c) REQUIRE(one[c] == Approx(all[299 * 3 + c]).epsilon(1e-4));
}

TEST_CASE("a network survives a container", "[nn][network]") {
  FloatNetwork net(small_spec(), Rng(1));
  Sgd sgd(net.parameters(), {});
  const Data d = synthetic(12);
  train_step(net, sgd, d, 0);
  Container file("teacher");
  store_network(net, file);
  const TensorF before = net.predict(d.x);
  train_step(net, sgd, d, 1);  // the container holds copies
  FloatNetwork loaded = load_network(file);
  REQUIRE(loaded.spec() == net.spec());
  const TensorF after = loaded.predict(d.x);
  REQUIRE(std::memcmp(before.data(), after.data(), static_cast<std::size_t>(before.size_bytes())) ==
          0);
  train_step(loaded, sgd, d, 2);  // and so does the network
  REQUIRE(std::memcmp(load_network(file).predict(d.x).data(), before.data(),
                      static_cast<std::size_t>(before.size_bytes())) == 0);
}

TEST_CASE("a training step is the same for one and two threads", "[nn][network]") {
  const int threads = thread_count();
  const Data d = synthetic(64);
  std::vector<FloatNetwork> nets;
  for (const int count : {1, 2}) {
    set_thread_count(count);
    nets.emplace_back(small_spec(), Rng(1));
    Sgd sgd(nets.back().parameters(), {.weight_decay = 1e-4f, .clip_norm = 1.0f});
    for (std::uint64_t step = 0; step < 2; ++step) train_step(nets.back(), sgd, d, step);
  }
  set_thread_count(threads);
  for (int k = 0; k < nets[0].unit_count(); ++k) {
    const auto same = [](const TensorF& a, const TensorF& b) {
      return a.empty() ||
             std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size_bytes())) == 0;
    };
    INFO("unit " << k);
    REQUIRE(same(nets[0].unit(k).weight.value, nets[1].unit(k).weight.value));
    REQUIRE(same(nets[0].unit(k).bias.value, nets[1].unit(k).bias.value));
    REQUIRE(same(nets[0].unit(k).gamma.value, nets[1].unit(k).gamma.value));
    REQUIRE(same(nets[0].unit(k).beta.value, nets[1].unit(k).beta.value));
    REQUIRE(same(nets[0].unit(k).bn.running_mean, nets[1].unit(k).bn.running_mean));
    REQUIRE(same(nets[0].unit(k).bn.running_var, nets[1].unit(k).bn.running_var));
  }
}

TEST_CASE("a small network learns 64 images by heart", "[nn][network]") {
  FloatNetwork net(small_spec(), Rng(2));
  Sgd sgd(net.parameters(), {});
  const Data d = synthetic(64);
  const double first = train_step(net, sgd, d, 0);
  double last = first;
  for (std::uint64_t step = 1; step < 60; ++step) last = train_step(net, sgd, d, step);
  REQUIRE(first > 0.7);
  REQUIRE(last < 0.1);
  const TensorF z = net.predict(d.x);
  int hits = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    const float* row = z.data() + 3 * i;
    hits += std::max_element(row, row + 3) - row == d.labels[static_cast<std::size_t>(i)];
  }
  REQUIRE(hits == 64);
}

TEST_CASE("a frozen network passes gradients through and keeps its own at zero", "[nn][network]") {
  FloatNetwork net(small_spec(), Rng(2));
  Tape tape;
  std::vector<Var> values;
  const Var x = tape.input(random_tensor({2, 8, 8, 2}, 1));
  const Var z = net.forward(tape, 0, 5, x, values, {});
  tape.backward(cross_entropy(tape, z, {0, 2}, 0.0f));
  double magnitude = 0.0;
  for (const float g : x->grad) magnitude += std::abs(g);
  REQUIRE(magnitude > 1e-4);
  for (const Parameter* p : net.parameters()) {
    for (const float g : p->grad) REQUIRE(g == 0.0f);
  }
}
