// No damaged, foreign or hostile file gets through Container::load, and none crashes it.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "core/container.hpp"
#include "core/file.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;
using test::TemporaryDirectory;

namespace {

std::string sample_file(const TemporaryDirectory& directory) {
  Container c("student");
  c.set("seed", "1");
  TensorF f({3});
  for (std::int64_t i = 0; i < 3; ++i) f[i] = 0.5f * static_cast<float>(i);
  c.put("layer/weight", f);
  c.put("layer/codes", TensorU8::full({5}, 3));
  c.put("layer/none", TensorS32({0}));
  c.save(directory.path("sample"));
  return read_file(directory.path("sample"), "");
}

// A file with any header and data, right in form: length, header, data.
std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string metadata(const std::string& version = "1") {
  return R"("__metadata__":{"checksum":"0123456789abcdef","format":"intandem","format_version":")" +
         version + R"(","kind":"student"})";
}

std::string with_entries(const std::string& entries) {
  return "{" + metadata() + "," + entries + "}";
}

// Loads one file again and again with different bytes. It is rewritten in place: replacing it each
// time makes some file systems wait for the disk each time.
class Loader {
 public:
  Loader() : file_(::open(path().c_str(), O_RDWR | O_CREAT, 0600)) { REQUIRE(file_ >= 0); }
  ~Loader() { ::close(file_); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // "" if the file loads, else the error's message. Anything but Error ends the test.
  std::string operator()(const std::string& bytes) const {
    const auto size = static_cast<::ssize_t>(bytes.size());
    REQUIRE(::pwrite(file_, bytes.data(), bytes.size(), 0) == size);
    REQUIRE(::ftruncate(file_, size) == 0);
    try {
      Container::load(path());
      return {};
    } catch (const Error& error) {
      return error.what();
    }
  }

  const TemporaryDirectory directory;

 private:
  std::string path() const { return directory.path("damaged"); }
  int file_;
};

}  // namespace

TEST_CASE("every single flipped bit of a file is noticed", "[core][container]") {
  const Loader load;
  const std::string good = sample_file(load.directory);
  REQUIRE(load(good).empty());
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      INFO("byte " << at << ", bit " << bit);
      REQUIRE_FALSE(load(damaged).empty());
    }
  }
}

TEST_CASE("every replaced or swapped byte of a file is noticed", "[core][container]") {
  const Loader load;
  const std::string good = sample_file(load.directory);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char value : {'\0', '\xff', ' ', '0', '"', '}'}) {
      if (good[at] == value) continue;
      std::string damaged = good;
      damaged[at] = value;
      INFO("byte " << at << " set to " << static_cast<int>(value));
      REQUIRE_FALSE(load(damaged).empty());
    }
    if (at + 1 < good.size() && good[at] != good[at + 1]) {
      std::string damaged = good;
      std::swap(damaged[at], damaged[at + 1]);
      INFO("bytes " << at << " and " << at + 1 << " swapped");
      REQUIRE_FALSE(load(damaged).empty());
    }
  }
}

TEST_CASE("a file cut at any length, or with bytes behind it, is refused", "[core][container]") {
  const Loader load;
  const std::string good = sample_file(load.directory);
  for (std::size_t length = 0; length < good.size(); ++length) {
    INFO("cut to " << length);
    REQUIRE_FALSE(load(good.substr(0, length)).empty());
  }
  CHECK_THAT(load(good.substr(0, good.size() - 1)), Catch::Contains("truncated"));
  CHECK_THAT(load(good + '\0'), Catch::Contains("bytes behind its last tensor"));
  CHECK_THAT(load(good + good), Catch::Contains("bytes behind its last tensor"));
}

TEST_CASE("missing files and files of other programs are told apart", "[core][container]") {
  const Loader load;
  check_error([] { Container::load("/nonexistent/model.safetensors"); },
              {"/nonexistent/model.safetensors: cannot open", "check the path"});
  check_error([&] { Container::load(load.directory.path()); }, {"is a directory"});
  CHECK_THAT(load(""), Catch::Contains("too short"));
  CHECK_THAT(load("PK\3\4 this is some zip archive, a PyTorch checkpoint perhaps"),
             Catch::Contains("not a safetensors file"));
  CHECK_THAT(load(file_of("{}", "")), Catch::Contains("not written by intandem"));
  CHECK_THAT(load(file_of(R"({"__metadata__":{"format":"pt"}})", "")),
             Catch::Contains("not written by intandem"));
  CHECK_THAT(load(file_of(R"({"__metadata__":{"format":"intandem"}})", "")),
             Catch::Contains("not written by intandem"));
  CHECK_THAT(load(file_of(R"({"__metadata__":{"format":3}})", "")), Catch::Contains("not strings"));
  CHECK_THAT(load(file_of(R"({"__metadata__":7})", "")), Catch::Contains("not strings"));
  CHECK_THAT(load(file_of("[1, 2]", "")), Catch::Contains("not JSON"));
  CHECK_THAT(load(file_of("{\"a\":", "")), Catch::Contains("not JSON"));
  CHECK_THAT(load(file_of("{} {}", "")), Catch::Contains("not JSON"));
}

TEST_CASE("a newer format version says to update", "[core][container]") {
  const Loader load;
  CHECK_THAT(load(file_of("{" + metadata("3") + "}", "")),
             Catch::Contains("newer version (format 3, this program reads 2)") &&
                 Catch::Contains("update intandem"));
  // Newer files may have any further content.
  CHECK_THAT(load(file_of("{" + metadata("17") + R"(,"w":{"dtype":"F4"}})", "")),
             Catch::Contains("newer version"));
  CHECK_THAT(load(file_of("{" + metadata("0") + "}", "")),
             Catch::Contains("unknown format version"));
  CHECK_THAT(load(file_of("{" + metadata("one") + "}", "")), Catch::Contains("not an integer"));
}

TEST_CASE("absurd header lengths are refused without allocating them", "[core][container]") {
  const Loader load;
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{100'000'001}, std::uint64_t{1} << 40,
        std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::string bytes = file_of("{" + metadata() + "}", "");
    std::memcpy(bytes.data(), &length, 8);
    CHECK_THAT(load(bytes), Catch::Contains("not a safetensors file"));
  }
  std::string bytes = file_of("{" + metadata() + "}", "");
  const std::uint64_t beyond = bytes.size() - 7;
  std::memcpy(bytes.data(), &beyond, 8);
  CHECK_THAT(load(bytes), Catch::Contains("truncated"));
}

TEST_CASE("inconsistent tensor entries are named", "[core][container]") {
  const Loader load;
  const std::string data(8, 'x');
  const auto refuse = [&](const std::string& entries, const std::string& problem) {
    INFO(entries);
    CHECK_THAT(load(file_of(with_entries(entries), data)), Catch::Contains(problem));
  };
  refuse(R"("w":{"dtype":"F16","shape":[4],"data_offsets":[0,8]})", "unknown dtype");
  refuse(R"("w":{"dtype":7,"shape":[4],"data_offsets":[0,8]})", "unknown dtype");
  refuse(R"("w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]})", "does not match");
  refuse(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]})", "does not match");
  refuse(R"("w":{"dtype":"F32","shape":2,"data_offsets":[0,8]})", "impossible shape");
  refuse(R"("w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", "impossible shape");
  refuse(R"("w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", "impossible shape");
  refuse(R"("w":{"dtype":"F32","shape":[1,1,1,1,2],"data_offsets":[0,8]})", "impossible shape");
  refuse(R"("w":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]})",
         "impossible shape");
  refuse(R"("w":{"dtype":"F32","shape":[4294967296,1073741824],"data_offsets":[0,0]})",
         "impossibly large");
  refuse(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]})", "impossible data_offsets");
  refuse(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0]})", "impossible data_offsets");
  refuse(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]})", "impossible data_offsets");
  refuse(R"("w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]})", "truncated");
  refuse(R"("w":{"dtype":"F32","shape":[2]})", "must hold");
  refuse(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1})", "must hold");
  refuse(R"("w":[])", "must hold");
}

TEST_CASE("tensors that overlap, leave gaps or share a name are refused", "[core][container]") {
  const Loader load;
  const std::string data(8, 'x');
  const auto refuse = [&](const std::string& entries, const std::string& problem) {
    INFO(entries);
    CHECK_THAT(load(file_of(with_entries(entries), data)), Catch::Contains(problem));
  };
  const auto entry = [](const std::string& name, int begin, int end) {
    return "\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
           R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
  };
  refuse(entry("a", 0, 8) + "," + entry("b", 0, 8), "overlap");
  refuse(entry("a", 0, 5) + "," + entry("b", 4, 8), "overlap");
  refuse(entry("a", 0, 3) + "," + entry("b", 4, 8), "gaps");
  refuse(entry("a", 1, 8), "gaps");
  refuse(entry("a", 0, 7), "bytes behind");
  refuse(entry("a", 0, 4) + "," + entry("a", 4, 8), "names 'a' twice");
  // Nothing wrong but the checksum, which the file was not written with.
  refuse(entry("a", 0, 8), "checksum");
}

TEST_CASE("deep nesting and wild escapes do not crash the parser", "[core][container]") {
  const Loader load;
  CHECK_FALSE(load(file_of(std::string(200'000, '['), "")).empty());
  std::string nested;
  for (int i = 0; i < 50'000; ++i) nested += "{\"a\":";
  CHECK_FALSE(load(file_of(nested, "")).empty());
  CHECK_FALSE(
      load(
          file_of(with_entries("\"w\":" + std::string(50'000, '[') + std::string(50'000, ']')), ""))
          .empty());
  CHECK_FALSE(load(file_of(with_entries(R"("\ud800":{})"), "")).empty());
  CHECK_FALSE(load(file_of(with_entries("\"\xff\":{}"), "")).empty());
  CHECK_FALSE(load(file_of(with_entries(R"("w":1e999)"), "")).empty());
}
