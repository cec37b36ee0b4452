// What a stored float network may hold, and its batch norm's epsilon.
#include <catch2/catch.hpp>
#include <limits>

#include "core/container.hpp"
#include "tests/quant/tiny.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;

namespace {

Container stored(const FloatNetwork& net, const char* kind = "teacher") {
  Container file(kind);
  store_network(net, file);
  return file;
}

TensorF changed(const Container& file, const std::string& name, std::int64_t at, float value) {
  TensorF t = file.tensor<float>(name).clone();
  t[at] = value;
  return t;
}

}  // namespace

TEST_CASE("a negative variance and numbers whose squares overflow are refused", "[nn][network]") {
  const FloatNetwork net = tiny::teacher(3);
  const auto refuse = [&](const std::string& name, float value) {
    for (const char* kind : {"teacher", "checkpoint"}) {
      Container file = stored(net, kind);
      file.put(name, changed(file, name, 2, value));
      check_error([&] { load_network(file); }, {"'" + name + "'", "element 2"});
    }
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  refuse("unit/conv2/running_var", -1.0f);
  refuse("unit/conv2/running_var", kNan);
  for (const char* name : {"unit/conv1/weight", "unit/conv3/gamma", "unit/fc1/beta",
                           "unit/conv2/running_mean", "unit/fc2/bias"}) {
    refuse(name, 1e30f);
    refuse(name, -1e30f);
    refuse(name, kNan);
  }
  // Zero, tiny, negative and large numbers that mean something are accepted.
  Container file = stored(net);
  file.put("unit/conv2/running_var", changed(file, "unit/conv2/running_var", 2, 1e24f));
  file.put("unit/conv1/running_var", changed(file, "unit/conv1/running_var", 0, 0.0f));
  file.put("unit/conv1/gamma", changed(file, "unit/conv1/gamma", 0, -1e-30f));
  file.put("unit/conv1/weight", changed(file, "unit/conv1/weight", 0, 1e12f));
  CHECK_NOTHROW(load_network(file));
}

TEST_CASE("epsilon is kept; files without it have 1e-5", "[nn][network]") {
  FloatNetwork net = tiny::teacher(3);
  net.unit(1).bn.epsilon = 1e-3f;
  const Container file = stored(net);
  const FloatNetwork loaded = load_network(file);
  CHECK(loaded.unit(0).bn.epsilon == 1e-5f);
  CHECK(loaded.unit(1).bn.epsilon == 1e-3f);
  Container old("teacher");
  old.set("architecture", file.get("architecture"));
  for (const std::string& name : file.tensor_names()) {
    if (!name.ends_with("/epsilon")) old.put(name, file.tensor<float>(name));
  }
  CHECK(load_network(old).unit(1).bn.epsilon == 1e-5f);
  for (const float bad : {0.0f, -1e-5f, 2.0f}) {
    Container wrong = file;
    wrong.put("unit/conv2/epsilon", TensorF::full({1}, bad));
    check_error([&] { load_network(wrong); }, {"unit/conv2/epsilon"});
  }
}

TEST_CASE("nothing is allocated for an architecture the file cannot fill", "[nn][network]") {
  const FloatNetwork net = tiny::teacher(3);
  Container file = stored(net);
  NetworkSpec spec = net.spec();
  spec.units[spec.units.size() - 2].out = 1 << 20;
  file.set("architecture", to_json(spec));
  check_error([&] { load_network(file); }, {"more weights than the file holds"});
  CHECK(load_architecture(stored(net)) == net.spec());
}
