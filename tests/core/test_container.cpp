// What a container keeps, and the layout that other programs rely on. Damage:
// test_container_damage.
#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/container.hpp"
#include "core/file.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;
using test::TemporaryDirectory;

namespace {

template <class T>
Tensor<T> ramp(const Shape& shape, T first) {
  Tensor<T> t(shape);
  for (std::int64_t i = 0; i < t.size(); ++i) t[i] = static_cast<T>(first + static_cast<T>(i));
  return t;
}

template <class T>
void check_equal(const Tensor<T>& actual, const Tensor<T>& expected) {
  REQUIRE(actual.shape() == expected.shape());
  CHECK(std::memcmp(actual.data(), expected.data(),
                    static_cast<std::size_t>(expected.size_bytes())) == 0);
}

}  // namespace

TEST_CASE("every type, shape and metadata value survives the round trip", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("all.safetensors");
  Container written("checkpoint");
  written.set("seed", "-42");
  written.set("note", "quotes \" and \\, a newline\n, µ and ü");
  written.put("conv1/weight", ramp<float>({2, 3, 3, 1}, -4.5f));
  written.put("double", ramp<double>({3}, 0.1));
  written.put("codes", ramp<std::uint8_t>({5}, 250));
  written.put("weights", ramp<std::int8_t>({7, 1}, -3));
  written.put("bias", ramp<std::int32_t>({4}, -2'000'000'000));
  written.put("big", ramp<std::int64_t>({2}, std::int64_t{1} << 60));
  written.put("scalar", ramp<float>({}, 3.25f));
  written.put("empty", TensorF({0, 3}));
  written.save(path);

  const Container read = Container::load(path, "checkpoint");
  CHECK(read.kind() == "checkpoint");
  CHECK(read.path() == path);
  CHECK(read.metadata() == written.metadata());
  CHECK(read.get_int("seed") == -42);
  CHECK(read.has("note"));
  CHECK_FALSE(read.has("checksum"));
  CHECK(read.tensor_names() == std::vector<std::string>{"bias", "big", "codes", "conv1/weight",
                                                        "double", "empty", "scalar", "weights"});
  check_equal(read.tensor<float>("conv1/weight", {2, 3, 3, 1}),
              written.tensor<float>("conv1/weight"));
  check_equal(read.tensor<double>("double"), written.tensor<double>("double"));
  check_equal(read.tensor<std::uint8_t>("codes"), written.tensor<std::uint8_t>("codes"));
  check_equal(read.tensor<std::int8_t>("weights"), written.tensor<std::int8_t>("weights"));
  check_equal(read.tensor<std::int32_t>("bias"), written.tensor<std::int32_t>("bias"));
  check_equal(read.tensor<std::int64_t>("big"), written.tensor<std::int64_t>("big"));
  CHECK(read.tensor<float>("scalar", {})[0] == 3.25f);
  CHECK(read.tensor<float>("empty").shape() == Shape{0, 3});
  CHECK(read.dtype("weights") == "I8");
  CHECK(read.shape("weights") == Shape{7, 1});
}

TEST_CASE("a container without tensors or metadata is a file too", "[core][container]") {
  const TemporaryDirectory directory;
  Container("student").save(directory.path("bare"));
  const Container read = Container::load(directory.path("bare"));
  CHECK(read.kind() == "student");
  CHECK(read.tensor_names().empty());
  CHECK(read.metadata().empty());
}

TEST_CASE("equal contents give equal bytes, whatever the order of calls", "[core][container]") {
  const TemporaryDirectory directory;
  Container a("teacher"), b("teacher");
  a.set("x", "1");
  a.set("y", "2");
  a.put("p", ramp<std::uint8_t>({3}, 1));
  a.put("q", ramp<float>({3}, 1.0f));
  b.put("q", ramp<float>({3}, 1.0f));
  b.put("p", ramp<float>({9}, 1.0f));
  b.put("p", ramp<std::uint8_t>({3}, 1));  // replaces
  b.set("y", "2");
  b.set("x", "1");
  a.save(directory.path("a"));
  b.save(directory.path("b"));
  CHECK(read_file(directory.path("a"), "") == read_file(directory.path("b"), ""));
}

TEST_CASE("the file is laid out as the safetensors library wants it", "[core][container]") {
  const TemporaryDirectory directory;
  Container c("integer-model");
  c.put("a", ramp<std::uint8_t>({3}, 1));
  c.put("b", ramp<std::int32_t>({2}, 7));
  c.put("c", ramp<double>({1}, 0.5));
  c.save(directory.path("model"));
  const std::string bytes = read_file(directory.path("model"), "");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  CHECK(header_bytes % 8 == 0);
  REQUIRE(bytes.size() == 8 + header_bytes + 8 + 8 + 3);
  CHECK(bytes[8] == '{');
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  // Larger elements first, so that every tensor is aligned to its element size.
  CHECK(header["c"] ==
        nlohmann::json::parse(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})"));
  CHECK(header["b"] ==
        nlohmann::json::parse(R"({"dtype":"I32","shape":[2],"data_offsets":[8,16]})"));
  CHECK(header["a"] ==
        nlohmann::json::parse(R"({"dtype":"U8","shape":[3],"data_offsets":[16,19]})"));
  CHECK(header["__metadata__"]["format"] == "intandem");
  CHECK(header["__metadata__"]["format_version"] == "1");
  CHECK(header["__metadata__"]["kind"] == "integer-model");
  CHECK(header["__metadata__"]["checksum"].get<std::string>().size() == 16);
  CHECK(bytes.substr(8 + header_bytes + 16) == "\1\2\3");
}

TEST_CASE("put shares the buffer, a loaded container owns its own", "[core][container]") {
  const TemporaryDirectory directory;
  TensorF t = ramp<float>({4}, 0.0f);
  Container c("teacher");
  c.put("t", t);
  t[2] = 99.0f;
  CHECK(c.tensor<float>("t")[2] == 99.0f);
  c.save(directory.path("file"));
  const Container read = Container::load(directory.path("file"));
  t[2] = -1.0f;
  CHECK(read.tensor<float>("t")[2] == 99.0f);
}

TEST_CASE("asking for what is not there names the file and the thing", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("file");
  Container c("teacher");
  c.set("epochs", "eight");
  c.set("large", "99999999999999999999");
  c.put("w", ramp<float>({2, 2}, 0.0f));
  c.save(path);
  const Container read = Container::load(path);
  CHECK(read.has_tensor("w"));
  CHECK_FALSE(read.has_tensor("v"));
  check_error([&] { read.tensor<float>("v"); }, {path, "'v' is missing"});
  check_error([&] { read.tensor<std::int8_t>("w"); }, {path, "'w' is F32, expected I8"});
  check_error([&] { read.tensor<float>("w", {4}); }, {path, "[2, 2]", "[4]"});
  check_error([&] { read.get("bits"); }, {path, "'bits' is missing"});
  check_error([&] { read.get_int("epochs"); }, {path, "'eight', not an integer"});
  check_error([&] { read.get_int("large"); }, {path, "not an integer"});
  check_error([&] { Container::load(path, "student"); }, {path, "'teacher'", "student"});
}

TEST_CASE("a file carries the lowest format version that says all it holds", "[core][container]") {
  const test::TemporaryDirectory scratch;
  const auto version_of = [&](const Container& file) {
    file.save(scratch.path("f"));
    const std::string bytes = read_file(scratch.path("f"), "");
    const auto at = bytes.find("\"format_version\":\"");
    REQUIRE(at != std::string::npos);
    return bytes.substr(at + 18, 1);
  };
  Container file("integer-model");
  CHECK(version_of(file) == "1");
  file.require_version(2);
  file.require_version(1);
  CHECK(version_of(file) == "2");
  CHECK(version_of(Container::load(scratch.path("f"))) == "2");
}

TEST_CASE("what cannot be stored is refused before the file is touched", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("file");
  Container good("teacher");
  good.save(path);
  const std::string before = read_file(path, "");
  Container c("teacher");
  CHECK_THROWS_AS(c.put("__metadata__", TensorF({1})), Error);
  CHECK_THROWS_AS(c.put("", TensorF({1})), Error);
  CHECK_THROWS_AS(c.put("none", TensorF()), Error);
  for (const char* key : {"format", "format_version", "kind", "checksum"}) {
    Container reserved("teacher");
    reserved.set(key, "x");
    CHECK_THROWS_AS(reserved.save(path), Error);
  }
  c.set("latin-1", "\xe4");
  check_error([&] { c.save(path); }, {"not UTF-8"});
  CHECK(read_file(path, "") == before);
}
