#include "core/npy.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
constexpr const char* kRemedy = "write it again with numpy.save";

template <class T>
constexpr std::string_view descr() {
  if constexpr (std::is_same_v<T, float>) return "<f4";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "|u1";
  if constexpr (std::is_same_v<T, std::int8_t>) return "|i1";
  if constexpr (std::is_same_v<T, std::int32_t>) return "<i4";
}

// The header is a Python dictionary literal: {'descr': '<f4', 'fortran_order': False,
// 'shape': (2, 3), }. Keys may come in any order, spaces anywhere between tokens.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  std::string_view type;
  bool fortran_order = false;
  Shape shape;

  void parse() {
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      const int index = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (index < 0 || seen[index]) fail();
      seen[index] = true;
      if (index == 0) type = quoted();
      if (index == 1) fortran_order = boolean();
      if (index == 2) parse_shape();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size() || !seen[0] || !seen[1] || !seen[2]) fail();
  }

 private:
  [[noreturn]] void fail() const { throw Error(path_, "has a damaged .npy header", kRemedy); }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }
  std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail();
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail();
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return word == "True";
    }
    fail();
  }
  void parse_shape() {
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = 0;
      const auto [end, error] =
          std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0 || extent >= std::int64_t{1} << 48) fail();
      if (shape.rank() == Shape::kMaxRank) {
        throw Error(path_, "has more than four dimensions", "reshape it");
      }
      at_ = static_cast<std::size_t>(end - text_.data());
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
};

}  // namespace

template <class T>
Tensor<T> load_npy(const std::string& path) {
  FileReader file(path, "check the path");
  // Magic, two version bytes, header length in 2 (version 1) or 4 bytes.
  unsigned char start[12] = {};
  if (file.size_bytes() < 10) throw Error(path, "is not a .npy file", kRemedy);
  file.read(start, 10);
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0) {
    throw Error(path, "is not a .npy file", kRemedy);
  }
  const int version = start[6];
  if (version < 1 || version > 3) {
    throw Error(path, "has the unknown .npy version " + std::to_string(version), kRemedy);
  }
  std::int64_t prefix_bytes = 10;
  std::int64_t header_bytes = start[8] + 256 * start[9];
  if (version > 1 && file.size_bytes() >= 12) {
    file.read(start + 10, 2);
    prefix_bytes = 12;
    header_bytes += (std::int64_t{start[10]} << 16) + (std::int64_t{start[11]} << 24);
  }
  if (header_bytes > file.size_bytes() - prefix_bytes) {
    throw Error(path, "is truncated", kRemedy);
  }
  std::string text(static_cast<std::size_t>(header_bytes), '\0');
  file.read(text.data(), header_bytes);
  HeaderParser header(text, path);
  header.parse();
  if (header.type != descr<T>()) {
    throw Error(path,
                "holds elements of type '" + std::string(header.type) + "', expected '" +
                    std::string(descr<T>()) + "'",
                "convert it with astype");
  }
  if (header.fortran_order) {
    throw Error(path, "is in Fortran order", "write numpy.ascontiguousarray of it");
  }
  std::int64_t bytes = sizeof(T);
  for (int axis = 0; axis < header.shape.rank(); ++axis) {
    if (__builtin_mul_overflow(bytes, header.shape[axis], &bytes)) {
      throw Error(path, "has an impossible shape " + header.shape.str(), kRemedy);
    }
  }
  const std::int64_t left = file.size_bytes() - prefix_bytes - header_bytes;
  if (bytes != left) {
    throw Error(path,
                "is damaged: " + header.shape.str() + " needs " + std::to_string(bytes) +
                    " bytes of data, the file has " + std::to_string(left),
                kRemedy);
  }
  Tensor<T> tensor(header.shape);
  file.read(tensor.data(), bytes);
  return tensor;
}

template <class T>
void save_npy(const std::string& path, const Tensor<T>& tensor) {
  INTANDEM_CHECK(tensor.size() == tensor.shape().size(), "the tensor has no buffer");
  std::string header =
      "{'descr': '" + std::string(descr<T>()) + "', 'fortran_order': False, " + "'shape': (";
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    header +=
        std::to_string(tensor.dim(axis)) + (axis == 0 || axis + 1 < tensor.rank() ? ", " : "");
  }
  header += "), }";
  constexpr std::size_t kPrefix_bytes = 10;
  while ((kPrefix_bytes + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string prefix(kMagic);
  prefix +=
      {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  AtomicWriter file(path);
  file.write(prefix.data(), static_cast<std::int64_t>(prefix.size()));
  file.write(header.data(), static_cast<std::int64_t>(header.size()));
  file.write(tensor.data(), tensor.size_bytes());
  file.commit();
}

template TensorF load_npy(const std::string&);
template TensorU8 load_npy(const std::string&);
template TensorS8 load_npy(const std::string&);
template TensorS32 load_npy(const std::string&);
template void save_npy(const std::string&, const TensorF&);
template void save_npy(const std::string&, const TensorU8&);
template void save_npy(const std::string&, const TensorS8&);
template void save_npy(const std::string&, const TensorS32&);

}  // namespace intandem
