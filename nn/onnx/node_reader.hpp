// One node of an ONNX graph, its attributes read with checks.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "nn/onnx/graph.hpp"

namespace intandem {

/// Errors name file, node and operator. The first four take an attribute that may be absent.
class NodeReader {
 public:
  NodeReader(const OnnxGraph& graph, const OnnxNode& node) : graph_(graph), node_(node) {}

  const OnnxNode& node() const { return node_; }
  const std::string& op() const { return node_.op; }
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;
  /// "attribute NAME is …"; accepted: what would be.
  [[noreturn]] void refuse(const std::string& attribute, const std::string& value,
                           const std::string& accepted) const;

  std::int64_t integer(const std::string& name, std::int64_t fallback) const;
  float number(const std::string& name, float fallback) const;
  std::string text(const std::string& name, const std::string& fallback) const;
  std::vector<std::int64_t> integers(const std::string& name,
                                     std::vector<std::int64_t> fallback) const;
  /// null: absent
  const OnnxTensor* tensor(const std::string& name) const;
  bool has(const std::string& name) const { return node_.attributes.count(name) != 0; }
  /// Refuses attributes other than these: a newer operator set may give them meaning.
  void allow(const std::set<std::string>& known) const;
  /// Error unless the attribute, if present, has this value.
  void require(const std::string& name, std::int64_t value) const;

  /// Kernel, stride and padding of a window: square, the same on all sides. image: H and W, for
  /// auto_pad. Dilations and others are refused. With ceil_mode the windows must fit exactly.
  struct Window {
    std::int64_t kernel = 1, stride = 1, pad = 0;
  };
  Window window(std::int64_t kernel_H, std::int64_t kernel_W, std::int64_t H, std::int64_t W) const;

  bool has_input(std::size_t at) const {
    return at < node_.inputs.size() && !node_.inputs[at].empty();
  }

 private:
  const OnnxAttribute* find(const std::string& name, const char* kind) const;
  std::int64_t padding(std::int64_t kernel, std::int64_t stride, std::int64_t H,
                       std::int64_t W) const;

  const OnnxGraph& graph_;
  const OnnxNode& node_;
};

/// "[2, 2]"
std::string list_text(const std::vector<std::int64_t>& values);

}  // namespace intandem
