// A number that no training can mean to keep is refused in every kind of file, read or written.
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "core/container.hpp"
#include "core/file.hpp"
#include "tests/temporary_directory.hpp"

using namespace intandem;
using test::check_error;
using test::TemporaryDirectory;

namespace {

// docs/formats.md, F1.
std::uint64_t absorb(std::uint64_t state, std::string bytes) {
  const std::uint64_t size = bytes.size();
  bytes.resize((bytes.size() + 7) / 8 * 8, '\0');
  for (std::size_t i = 0; i <= bytes.size(); i += 8) {
    std::uint64_t word = size;
    if (i < bytes.size()) std::memcpy(&word, bytes.data() + i, 8);
    state = (state ^ word) * 0x100000001B3ull;
    state ^= state >> 32;
  }
  return state;
}

/// Replaces the bits of the first element of the only tensor and corrects the checksum, as a
/// program without this check would have written the file.
template <class T>
void patch(const std::string& path, T value) {
  std::string bytes = read_file(path, "");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::memcpy(bytes.data() + 8 + length, &value, sizeof value);
  std::string header = bytes.substr(8, length);
  const std::size_t at = header.find("\"checksum\":\"") + 12;
  std::string empty = header;
  while (empty.back() == ' ') empty.pop_back();
  empty.erase(at, 16);
  empty.resize((empty.size() + 7) / 8 * 8, ' ');
  const std::uint64_t sum = absorb(absorb(0xCBF29CE484222325ull, empty), bytes.substr(8 + length));
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  bytes.replace(8 + at, 16, digits);
  write_file_atomic(path, bytes);
}

}  // namespace

TEST_CASE("no kind of file may hold NaN or an infinite float", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("x.safetensors");
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const char* kind : {"teacher", "student", "checkpoint", "integer-model"}) {
    Container file(kind);
    file.put("unit/a/weight", TensorF::full({4}, 1.0f));
    file.save(path);
    patch(path, 3.5f);
    CHECK(Container::load(path).tensor<float>("unit/a/weight")[0] == 3.5f);
    for (const float bad : {kNan, -kNan, kInf, -kInf}) {
      patch(path, bad);
      check_error([&] { Container::load(path); }, {path, "unit/a/weight", "element 0"});
    }
    file.put("unit/b/weight", TensorF::full({2}, kNan));
    check_error([&] { file.save(path); }, {path, "unit/b/weight", "nan"});
  }
}

TEST_CASE("doubles may be infinite, a loss nobody has measured, but not NaN", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("x.checkpoint");
  Container file("checkpoint");
  file.put("best", Tensor<double>::full({1}, std::numeric_limits<double>::infinity()));
  file.save(path);
  CHECK(Container::load(path).has_tensor("best"));
  patch(path, std::numeric_limits<double>::quiet_NaN());
  check_error([&] { Container::load(path); }, {path, "'best'", "nan"});
}

TEST_CASE("a file of another kind is named without an article", "[core][container]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path("x.safetensors");
  Container("integer-model").save(path);
  check_error([&] { Container::load(path, "teacher"); },
              {"is of kind 'integer-model' instead of 'teacher'"});
}
