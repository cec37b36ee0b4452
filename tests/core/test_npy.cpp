#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "core/file.hpp"
#include "core/npy.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;
using test::TemporaryDirectory;

namespace {

template <class T>
void check_round_trip(const Shape& shape) {
  const TemporaryDirectory directory;
  Tensor<T> t(shape);
  for (std::int64_t i = 0; i < t.size(); ++i) t[i] = static_cast<T>(3 * i - 7);
  save_npy(directory.path("t.npy"), t);
  const Tensor<T> read = load_npy<T>(directory.path("t.npy"));
  REQUIRE(read.shape() == shape);
  CHECK(std::memcmp(read.data(), t.data(), static_cast<std::size_t>(t.size_bytes())) == 0);
  CHECK((read_file(directory.path("t.npy"), "").size() - static_cast<std::size_t>(t.size_bytes())) %
            64 ==
        0);
}

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  bytes += static_cast<char>(header.size() & 255);
  bytes += static_cast<char>(header.size() >> 8);
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

}  // namespace

TEST_CASE("npy files survive the round trip", "[core][npy]") {
  for (const Shape& shape :
       {Shape{}, Shape{1}, Shape{5}, Shape{2, 3}, Shape{2, 3, 4, 5}, Shape{0, 4}}) {
    check_round_trip<float>(shape);
    check_round_trip<std::uint8_t>(shape);
    check_round_trip<std::int8_t>(shape);
    check_round_trip<std::int32_t>(shape);
  }
}

TEST_CASE("save_npy writes the bytes numpy.save writes", "[core][npy]") {
  const TemporaryDirectory directory;
  TensorS32 t({2, 1});
  t[0] = 1;
  t[1] = -2;
  save_npy(directory.path("t.npy"), t);
  // numpy.save of array([[1], [-2]], int32), NumPy 1.24.
  std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }";
  header.resize(117, ' ');
  CHECK(read_file(directory.path("t.npy"), "") ==
        npy(header + '\n', std::string("\1\0\0\0\xfe\xff\xff\xff", 8)));
}

TEST_CASE("load_npy reads other spellings of the header", "[core][npy]") {
  const TemporaryDirectory directory;
  const auto load = [&](const std::string& bytes) {
    return load_npy<std::uint8_t>(directory.write("t.npy", bytes));
  };
  CHECK(load(npy("{'shape':(3,),'fortran_order':False,'descr':'|u1'}\n", "abc"))[2] == 'c');
  CHECK(load(npy("{\"descr\": \"|u1\", \"fortran_order\": False, \"shape\": ( 1 , 2 ) }", "ab"))
            .shape() == Shape{1, 2});
  CHECK(load(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "a"))[0] == 'a');
  CHECK(load(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "ab", 2)).size() ==
        2);
}

TEST_CASE("bad npy files are errors that say what is wrong", "[core][npy]") {
  const TemporaryDirectory directory;
  const std::string head = "{'descr': '|u1', 'fortran_order': False, ";
  const auto refuse = [&](const std::string& bytes, const std::string& problem) {
    const std::string path = directory.write("t.npy", bytes);
    INFO(bytes);
    check_error([&] { load_npy<std::uint8_t>(path); }, {path, problem});
  };
  check_error([&] { load_npy<float>(directory.path("absent.npy")); }, {"absent.npy: cannot open"});
  refuse("", "not a .npy file");
  refuse("not numpy at all", "not a .npy file");
  refuse(npy(head + "'shape': (2,), }", "ab", 9), "unknown .npy version 9");
  refuse(npy(head + "'shape': (3,), }", "ab"), "needs 3 bytes of data, the file has 2");
  refuse(npy(head + "'shape': (1,), }", "ab"), "needs 1 bytes of data, the file has 2");
  refuse(npy(head + "'shape': (2,), }", "ab").substr(0, 30), "truncated");
  refuse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", ""),
         "'<f8', expected '|u1'");
  refuse(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2), }", "ab"), "Fortran order");
  refuse(npy(head + "'shape': (1, 1, 1, 1, 2), }", "ab"), "more than four dimensions");
  refuse(npy(head + "'shape': (99999999999, 99999999999), }", "ab"), "impossible shape");
  for (const std::string& header :
       {std::string(), std::string("{"), std::string("{}"), std::string("[]"), head + "}",
        head + "'shape': 2, }", head + "'shape': (2,", head + "'shape': (-2,), }",
        head + "'shape': (2,), 'shape': (2,), }", head + "'shape': (2,), 'x': 1, }",
        head + "'shape': (2,), } trailing", std::string("{'descr': '|u1")}) {
    refuse(npy(header, "ab"), "damaged .npy header");
  }
}

TEST_CASE("every cut of an npy file is refused", "[core][npy]") {
  const TemporaryDirectory directory;
  save_npy(directory.path("t.npy"), TensorU8::full({3, 3}, 5));
  const std::string good = read_file(directory.path("t.npy"), "");
  for (std::size_t length = 0; length < good.size(); ++length) {
    const std::string path = directory.write("cut.npy", good.substr(0, length));
    REQUIRE_THROWS_AS(load_npy<std::uint8_t>(path), Error);
  }
}
