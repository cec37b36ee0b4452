// An ONNX graph as plain data, free of protobuf: what reading a file leaves and translating it into
// a network starts from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace intandem {

/// A constant: floats (FLOAT and DOUBLE, rounded) or integers (INT64, INT32, UINT8, INT8, BOOL).
struct OnnxTensor {
  std::vector<std::int64_t> dims;
  bool is_float = true;
  std::vector<float> floats;  ///< row-major, as many as dims say; if is_float
  std::vector<std::int64_t> ints;

  std::int64_t size() const {
    return static_cast<std::int64_t>(is_float ? floats.size() : ints.size());
  }
};

/// One attribute; the member of its kind is set. Graphs and lists of strings stay empty.
struct OnnxAttribute {
  std::string kind;  ///< "INT", "FLOAT", "INTS", "TENSOR", …, the names of AttributeProto
  std::int64_t i = 0;
  float f = 0.0f;
  std::string s;
  std::vector<std::int64_t> ints;
  std::vector<float> floats;
  std::optional<OnnxTensor> tensor;
};

struct OnnxNode {
  std::string name, op, domain;
  std::vector<std::string> inputs, outputs;  ///< "" where an optional one is left out
  std::map<std::string, OnnxAttribute> attributes;

  /// "node 'conv1' (Conv)"; nodes without a name go by their first output.
  std::string str() const;
};

struct OnnxValue {
  std::string name;
  std::string type;                ///< "FLOAT", "UINT8", …
  std::vector<std::int64_t> dims;  ///< −1: not fixed
};

struct OnnxGraph {
  std::string path;  ///< for error messages
  std::int64_t opset = 0;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxTensor> initializers;
  std::vector<OnnxValue> inputs;  ///< without initializers
  std::vector<std::string> outputs;
};

/// Reads a .onnx file. Error naming file, node or tensor: not ONNX, truncated, opset below 9, data
/// kept in other files, sparse tensors, types that no network here has, NaN or infinite values,
/// shapes that do not match their data, and, if the program was built without ONNX, just that.
OnnxGraph read_onnx(const std::string& path);

/// Whether this program was built with libonnx (docs/dependencies.md).
bool has_onnx();

}  // namespace intandem
