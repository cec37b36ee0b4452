// ONNX files piece by piece, free of protobuf.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace intandem {

/// Builds a model of operator set 13 and writes it. Tensors are row-major; a dimension of −1 is the
/// number of images.
class OnnxWriter {
 public:
  enum class Type { u8, s8, s32, s64, f32 };
  using Ints = std::vector<std::int64_t>;

  /// path: of the file to write. Error if the program was built without ONNX.
  OnnxWriter(const std::string& path, const std::string& graph_name);
  ~OnnxWriter();
  OnnxWriter(const OnnxWriter&) = delete;
  OnnxWriter& operator=(const OnnxWriter&) = delete;

  void input(const std::string& name, Type type, const Ints& dims);
  void output(const std::string& name, Type type, const Ints& dims);
  /// A constant of an integer type; returns its name. dims empty: one number.
  std::string constant(const std::string& name, Type type, const Ints& dims, const Ints& values);
  /// A constant of f32.
  std::string constant(const std::string& name, const Ints& dims, const std::vector<float>& values);
  /// Adds a node named after its output, which is returned. Attributes: single integers and lists.
  std::string node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::string& output,
                   const std::map<std::string, std::int64_t>& numbers = {},
                   const std::map<std::string, Ints>& lists = {});
  /// The number by which attribute `to` of Cast means a type.
  static std::int64_t type_number(Type type);

  /// A line of the model's metadata, shown by viewers.
  void metadata(const std::string& key, const std::string& value);
  void description(const std::string& text);
  /// Writes atomically. Error if the model is too large for protobuf (2 GB).
  void save() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace intandem
