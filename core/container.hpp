// The one file format of the project: safetensors, with a checksum and a format version.
// Checkpoints, teachers, students and integer models are all this; Python opens them with the
// safetensors package.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.hpp"

namespace intandem {

/// A set of named tensors and string metadata. On disk (docs/formats.md): u64 little-endian header
/// length, JSON header {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {…}}, raw
/// little-endian data. Metadata keys written and checked by this class: "format" = "intandem",
/// "format_version", "kind" and "checksum" (of header entries and data).
class Container {
 public:
  static constexpr int kFormatVersion = 2;

  /// kind: what the file is, e.g. "teacher", "checkpoint", "student", "integer-model".
  explicit Container(std::string kind) : kind_(std::move(kind)) {}

  /// Reads and verifies a file. Errors name the file and say what is wrong: missing, truncated,
  /// not safetensors, not written by intandem, newer version, checksum, offsets out of range, or a
  /// tensor and an element that is no number to compute with: F32 must be finite, F64 not NaN.
  static Container load(const std::string& path);
  /// As above and refuses another kind.
  static Container load(const std::string& path, const std::string& expected_kind);
  /// Reads a safetensors file of any program, without kind and checksum: F32, F64, I64, I32, U8 and
  /// I8 tensors of rank up to 4. Errors as load's, other types by name.
  static Container load_foreign(const std::string& path);
  /// Writes atomically (core/file.hpp). The bytes depend on kind, metadata and tensors alone. Error
  /// if load would refuse the values.
  void save(const std::string& path) const;

  const std::string& kind() const { return kind_; }
  /// Where the container was loaded from, for error messages; empty if it was not.
  const std::string& path() const { return path_; }

  /// Programs that know only earlier format versions must not read this file: it says something
  /// they would pass over. A file carries the lowest version that says all it holds.
  void require_version(int version) { version_ = std::max<std::int64_t>(version_, version); }
  /// The format version it was loaded with or will be saved as.
  std::int64_t version() const { return version_; }
  void set(const std::string& key, std::string value) { metadata_[key] = std::move(value); }
  bool has(const std::string& key) const { return metadata_.count(key) != 0; }
  /// A metadata value; Error if it is missing.
  const std::string& get(const std::string& key) const;
  /// All metadata but the four keys this class writes.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// A metadata value as a decimal integer; Error if missing or not an integer.
  std::int64_t get_int(const std::string& key) const;

  /// T: float (F32), double (F64), uint8_t (U8), int8_t (I8), int32_t (I32), int64_t (I64).
  /// The tensor's buffer is shared, not copied. A second tensor of the same name replaces it.
  template <class T>
  void put(const std::string& name, const Tensor<T>& tensor);
  bool has_tensor(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Error if the tensor is missing or of another type.
  template <class T>
  Tensor<T> tensor(const std::string& name) const;
  /// As above and refuses another shape.
  template <class T>
  Tensor<T> tensor(const std::string& name, const Shape& expected) const;
  /// In alphabetical order.
  std::vector<std::string> tensor_names() const;
  /// "F32", "U8", …; Error if the tensor is missing.
  const std::string& dtype(const std::string& name) const { return entry(name).dtype; }
  const Shape& shape(const std::string& name) const { return entry(name).shape; }

 private:
  struct Entry {
    std::string dtype;
    Shape shape;
    TensorU8 bytes;  // the raw data, a view of the tensor that was put
  };
  using NamedEntry = std::pair<const std::string, Entry>;

  const Entry& entry(const std::string& name) const;
  /// The JSON header, padded with spaces so that the data start at a multiple of 8 bytes.
  std::string header(const std::string& checksum) const;
  /// Entries in the order of their data: larger elements first, so that every tensor is aligned,
  /// then by name.
  std::vector<const NamedEntry*> data_order() const;
  /// Of the header with an empty checksum and of the data, 16 hexadecimal digits.
  std::string checksum() const;
  /// Error naming `path`, the tensor and the element, unless every F32 is finite and no F64 is NaN
  /// (losses that were never measured are infinite). (container_values.cpp)
  void check_values(const std::string& path, const std::string& remedy) const;
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;
  /// An opened file and its header. (container.cpp)
  struct Source;
  /// Reads header and tensors of path_; returns the header's text. Metadata are as they stand.
  std::string read(bool foreign);
  void check_own_metadata();
  void read_tensors(Source& source, const char* remedy);

  std::string kind_;
  std::string path_;
  std::int64_t version_ = 1;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> tensors_;
};

}  // namespace intandem
