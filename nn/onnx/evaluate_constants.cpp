// The arithmetic of shapes and paddings, which exporters leave in the graph: worked out here.
#include <algorithm>

#include "nn/onnx/translator.hpp"

namespace intandem {
namespace {

// Shapes are short; weights that a Transpose or Identity passes on may be long.
constexpr std::size_t kMaxShapeElements = 64;
constexpr std::int64_t kMaxEvaluated = std::int64_t{1} << 29;
constexpr std::int64_t kMaxFactor = std::int64_t{1} << 20;
constexpr std::int64_t kNoNumber = std::int64_t{1} << 40;

OnnxTensor integers(std::vector<std::int64_t> values) {
  OnnxTensor tensor;
  tensor.is_float = false;
  tensor.dims = {static_cast<std::int64_t>(values.size())};
  tensor.ints = std::move(values);
  return tensor;
}

/// The dims of a constant under a shape with one −1.
std::vector<std::int64_t> resolved(const NodeReader& node, std::vector<std::int64_t> shape,
                                   const OnnxTensor& values) {
  std::int64_t known = 1;
  bool fits = shape.size() <= 8;
  for (const std::int64_t extent : shape) {
    if (extent != -1) fits = fits && extent > 0 && !__builtin_mul_overflow(known, extent, &known);
  }
  for (std::int64_t& extent : shape) {
    if (fits && extent == -1) extent = values.size() / known, known *= extent;
  }
  if (!fits || known != values.size()) {
    node.fail("gives a constant the shape " + list_text(shape), "export the network again");
  }
  return shape;
}

}  // namespace

/// Whether the node's result is known without the image.
bool Translator::evaluates(const NodeReader& node) const {
  static const std::set<std::string> known = {
      "Gather",   "Concat",  "Unsqueeze", "Squeeze", "Cast", "Transpose",
      "Identity", "Reshape", "Slice",     "Mul",     "Sub",  "ConstantOfShape"};
  if (node.op() == "Constant" || node.op() == "Shape") return true;
  if (known.count(node.op()) == 0 || node.node().inputs.empty()) return false;
  for (std::size_t i = 0; i < node.node().inputs.size(); ++i) {
    if (node.has_input(i) && !is_constant(node, i)) return false;
  }
  return true;
}

std::shared_ptr<const OnnxTensor> Translator::evaluate(const NodeReader& node) {
  if (node.op() == "Identity" || node.op() == "Cast") {
    constant(node, 0);
    return flows_.at(node.node().inputs[0]).constant;
  }
  auto result = std::make_shared<const OnnxTensor>(evaluate_here(node));
  evaluated_ += result->size();
  if (evaluated_ > kMaxEvaluated) {
    node.fail("is one of too many that turn weights",
              "export with constant folding (do_constant_folding=True)");
  }
  return result;
}

OnnxTensor Translator::evaluate_here(const NodeReader& node) const {
  const std::string& op = node.op();
  if (op == "Constant") {
    if (const OnnxTensor* value = node.tensor("value")) return *value;
    OnnxTensor result = integers(node.integers("value_ints", {node.integer("value_int", 0)}));
    if (node.has("value_int")) result.dims.clear();
    if (node.has("value_float")) {
      result = {};
      result.floats = {node.number("value_float", 0.0f)};
    } else if (!node.has("value_ints") && !node.has("value_int")) {
      node.fail("holds no tensor", "accepted: value, value_int, value_ints, value_float");
    }
    return result;
  }
  if (op == "Shape") {
    node.allow({"start"});
    node.require("start", 0);
    const Flow& x = input(node, 0);
    if (x.constant) return integers(x.constant->dims);
    return integers(x.flat ? std::vector<std::int64_t>{batch_, x.size()}
                           : std::vector<std::int64_t>{batch_, x.C, x.H, x.W});
  }
  if (op == "Gather") return evaluate_gather(node);
  if (op == "Concat") return evaluate_concat(node);
  if (op == "Transpose") return evaluate_transpose(node);
  if (op == "Slice") return evaluate_slice(node);
  if (op == "ConstantOfShape") return evaluate_filled(node);
  if (op == "Mul" || op == "Sub") return evaluate_arithmetic(node);
  OnnxTensor result = constant(node, 0);
  if (op == "Reshape") {
    result.dims = resolved(node, constant(node, 1).ints, result);
    return result;
  }
  if (op == "Unsqueeze" && result.size() == 1) {
    result.dims = {1};
    return result;
  }
  if (op == "Squeeze" && result.size() == 1) {
    result.dims.clear();
    return result;
  }
  node.fail("works on constants", "export with constant folding (do_constant_folding=True)");
}

OnnxTensor Translator::evaluate_gather(const NodeReader& node) const {
  node.require("axis", 0);
  const OnnxTensor& from = constant(node, 0);
  const OnnxTensor& at = constant(node, 1);
  OnnxTensor result = integers({});
  result.dims = at.dims;
  for (std::int64_t index : at.ints) {
    if (index < 0) index += from.size();
    if (from.is_float || from.dims.size() != 1 || index < 0 || index >= from.size() ||
        result.ints.size() >= kMaxShapeElements) {
      node.fail("takes values of something that is no shape", "accepted: entries of a Shape");
    }
    result.ints.push_back(from.ints[static_cast<std::size_t>(index)]);
  }
  return result;
}

OnnxTensor Translator::evaluate_concat(const NodeReader& node) const {
  node.require("axis", 0);
  OnnxTensor result = integers({});
  for (std::size_t i = 0; i < node.node().inputs.size(); ++i) {
    const OnnxTensor& part = constant(node, i);
    if (part.is_float || part.dims.size() != 1 ||
        result.ints.size() + part.ints.size() > kMaxShapeElements) {
      node.fail("joins constants that are no shape", "accepted: entries of a Shape");
    }
    result.ints.insert(result.ints.end(), part.ints.begin(), part.ints.end());
  }
  result.dims = {static_cast<std::int64_t>(result.ints.size())};
  return result;
}

/// A matrix turned: weights, or the pairs of a padding.
OnnxTensor Translator::evaluate_transpose(const NodeReader& node) const {
  OnnxTensor result = constant(node, 0);
  const std::vector<std::int64_t> order = node.integers("perm", {1, 0});
  if (result.dims.size() != 2 || order != std::vector<std::int64_t>{1, 0}) {
    node.fail("turns a constant of shape " + list_text(result.dims), "accepted: a matrix");
  }
  const auto rows = static_cast<std::size_t>(result.dims[0]);
  const auto columns = static_cast<std::size_t>(result.dims[1]);
  const auto turn = [&](auto& values) {
    const auto from = values;
    for (std::size_t i = 0; i < rows && !from.empty(); ++i) {
      for (std::size_t j = 0; j < columns; ++j) values[j * rows + i] = from[i * columns + j];
    }
  };
  turn(result.floats);
  turn(result.ints);
  std::swap(result.dims[0], result.dims[1]);
  return result;
}

/// Rows or columns of a small matrix of integers, or entries of a shape.
OnnxTensor Translator::evaluate_slice(const NodeReader& node) const {
  const OnnxTensor& from = constant(node, 0);
  const auto number = [&](std::size_t at, std::int64_t fallback) {
    if (!node.has_input(at)) return fallback;
    const std::vector<std::int64_t>& values = constant(node, at).ints;
    return values.size() == 1 ? values[0] : kNoNumber;
  };
  const auto rank = static_cast<std::int64_t>(from.dims.size());
  std::int64_t axis = number(3, 0), step = number(4, 1);
  if (axis < 0) axis += rank;
  const bool fits = !from.is_float && rank >= 1 && rank <= 2 && axis >= 0 && axis < rank &&
                    (step == 1 || step == -1) && node.has_input(2) && !from.ints.empty() &&
                    from.ints.size() <= kMaxShapeElements;
  if (!fits) node.fail("takes a part of a constant", "accepted: entries of a shape or padding");
  const std::int64_t extent = from.dims[static_cast<std::size_t>(axis)];
  // ONNX counts from the end what is negative, and cuts what is beyond.
  const auto within = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
    return std::clamp(at < 0 ? at + extent : at, low, high);
  };
  const std::int64_t begin =
      step > 0 ? within(number(1, 0), 0, extent) : within(number(1, 0), 0, extent - 1);
  const std::int64_t end =
      step > 0 ? within(number(2, 0), 0, extent) : within(number(2, 0), -1, extent - 1);
  const std::int64_t columns = rank == 2 ? from.dims[1] : 1;
  const std::int64_t outer = axis == 0 ? 1 : from.dims[0], inner = axis == 0 ? columns : 1;
  OnnxTensor result = integers({});
  result.dims = from.dims;
  result.dims[static_cast<std::size_t>(axis)] =
      std::max<std::int64_t>(0, step > 0 ? end - begin : begin - end);
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t at = begin; step > 0 ? at < end : at > end; at += step) {
      for (std::int64_t i = 0; i < inner; ++i) {
        result.ints.push_back(from.ints[static_cast<std::size_t>((o * extent + at) * inner + i)]);
      }
    }
  }
  return result;
}

OnnxTensor Translator::evaluate_filled(const NodeReader& node) const {
  const OnnxTensor& shape = constant(node, 0);
  const OnnxTensor* value = node.tensor("value");
  const bool fits = shape.ints.size() == 1 && shape.ints[0] >= 0 &&
                    shape.ints[0] <= static_cast<std::int64_t>(kMaxShapeElements) &&
                    value != nullptr && value->ints.size() == 1;
  if (!fits) node.fail("fills a constant", "accepted: integers, as many as a shape has");
  return integers(
      std::vector<std::int64_t>(static_cast<std::size_t>(shape.ints[0]), value->ints[0]));
}

OnnxTensor Translator::evaluate_arithmetic(const NodeReader& node) const {
  const OnnxTensor& a = constant(node, 0);
  const OnnxTensor& b = constant(node, 1);
  const auto small = [](const OnnxTensor& x) {
    return x.ints.size() == 1 && x.ints[0] > -kMaxFactor && x.ints[0] < kMaxFactor;
  };
  if (!small(a) || !small(b)) {
    node.fail("computes with constants", "export with constant folding (do_constant_folding=True)");
  }
  OnnxTensor result = a.dims.size() >= b.dims.size() ? a : b;
  result.ints = {node.op() == "Mul" ? a.ints[0] * b.ints[0] : a.ints[0] - b.ints[0]};
  return result;
}

}  // namespace intandem
