// Operators that only move or rename values.
#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "nn/onnx/translator.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kFloat = 1;  // TensorProto.FLOAT

}  // namespace

/// Identity, and Dropout, which does nothing outside training.
Flow Translator::translate_same(const NodeReader& node) {
  node.allow({"ratio", "seed"});
  const bool training = node.has_input(2) && is_constant(node, 2) &&
                        constant(node, 2).ints != std::vector<std::int64_t>{0};
  if (training) {
    node.refuse("training_mode", "true", "false; call model.eval() before the export");
  }
  return activation(node, 0);
}

Flow Translator::translate_cast(const NodeReader& node) {
  node.allow({"to", "saturate"});
  const std::int64_t to = node.integer("to", kFloat);
  if (to != kFloat) node.refuse("to", std::to_string(to), "1, float32");
  return activation(node, 0);
}

Flow Translator::translate_flatten(const NodeReader& node) {
  node.allow({"axis"});
  Flow flow = activation(node, 0);
  const std::int64_t axis = node.integer("axis", 1);
  if (axis != 1 && axis != (flow.flat ? -1 : -3)) {
    node.refuse("axis", std::to_string(axis), "1, everything but the batch");
  }
  flow.flat = true;
  return flow;
}

Flow Translator::translate_reshape(const NodeReader& node) {
  node.allow({"allowzero"});
  const bool zero_is_zero = node.integer("allowzero", 0) != 0;
  Flow flow = activation(node, 0);
  std::vector<std::int64_t> shape = constant(node, 1).ints;
  const std::string asked = list_text(shape);
  const std::vector<std::int64_t> before =
      flow.flat ? std::vector<std::int64_t>{batch_, flow.size()}
                : std::vector<std::int64_t>{batch_, flow.C, flow.H, flow.W};
  std::int64_t known = 1;
  for (std::size_t i = 0; i < shape.size() && shape.size() <= 4; ++i) {
    if (shape[i] == 0 && i < before.size() && !zero_is_zero) shape[i] = before[i];
    if (shape[i] > 0 && __builtin_mul_overflow(known, shape[i], &known)) known = -1;
  }
  const std::int64_t total = batch_ * flow.size();
  for (std::int64_t& extent : shape) {
    if (extent == -1) extent = known > 0 && total % known == 0 ? total / known : -1;
  }
  const std::vector<std::int64_t> vector = {batch_, flow.size()};
  const std::vector<std::int64_t> image = {batch_, flow.C, flow.H, flow.W};
  if (shape != vector && shape != image) {
    node.fail("gives " + flow.str() + " the shape " + asked,
              "accepted: flattening everything but the batch, [N, -1]");
  }
  flow.flat = shape == vector;
  return flow;
}

Flow Translator::translate_squeeze(const NodeReader& node) {
  node.allow({"axes"});
  Flow flow = activation(node, 0);
  std::vector<std::int64_t> axes = node.integers("axes", {});
  if (node.has_input(1)) axes = constant(node, 1).ints;
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
  std::sort(axes.begin(), axes.end());
  if (flow.flat || flow.H != 1 || flow.W != 1 || axes != std::vector<std::int64_t>{2, 3}) {
    node.fail("squeezes axes " + list_text(axes) + " of " + flow.str(),
              "accepted: [2, 3] of an image of one pixel");
  }
  flow.flat = true;
  return flow;
}

}  // namespace intandem
