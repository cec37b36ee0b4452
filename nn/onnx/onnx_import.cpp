#include "nn/onnx/onnx_import.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "core/text.hpp"
#include "nn/onnx/translator.hpp"

namespace intandem {
namespace {

constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxUnits = 10'000;
constexpr std::int64_t kMaxChannels = 256;  // of an image
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 20;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

constexpr const char* kOperators =
    "accepted: Conv, BatchNormalization, Relu, Clip from 0, MaxPool, AveragePool, "
    "GlobalAveragePool, ReduceMean, Pad, Gemm, MatMul, Add, Sum, Sub, Mul, Div, Flatten, Reshape, "
    "Squeeze, Dropout, Identity, Cast, Constant";

}  // namespace

ImportedNetwork import_onnx(const OnnxGraph& graph, const std::string& name) {
  return Translator(graph, name).run();
}

std::string Flow::str() const {
  if (flat) return "[N, " + std::to_string(size()) + "]";
  return "[N, " + std::to_string(C) + ", " + std::to_string(H) + ", " + std::to_string(W) + "]";
}

Translator::Translator(const OnnxGraph& graph, std::string name)
    : graph_(graph), name_(std::move(name)) {}

ImportedNetwork Translator::run() {
  if (graph_.nodes.size() > kMaxNodes) {
    throw Error(graph_.path, "has " + std::to_string(graph_.nodes.size()) + " nodes",
                "accepted: at most " + std::to_string(kMaxNodes));
  }
  if (graph_.outputs.size() != 1) {
    throw Error(graph_.path, "has " + std::to_string(graph_.outputs.size()) + " outputs",
                "accepted: one, the logits; export the network without the others");
  }
  find_uses();
  begin_with_image();
  walk();
  return finish(flows_.at(graph_.outputs[0]));
}

/// From the output backwards, so that nodes nobody needs are passed over. A node that reads what a
/// later one gives is part of a cycle, or the nodes are out of order, which ONNX forbids as well.
void Translator::find_uses() {
  live_.assign(graph_.nodes.size(), false);
  uses_[graph_.outputs[0]] = 1;
  for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
    const OnnxNode& node = graph_.nodes[i];
    for (const std::string& output : node.outputs) {
      if (!output.empty() && uses_.count(output) != 0) live_[i] = true;
    }
    if (!live_[i]) continue;
    for (const std::string& name : node.inputs) {
      if (!name.empty()) ++uses_[name];
    }
  }
}

void Translator::begin_with_image() {
  for (const auto& [name, tensor] : graph_.initializers) {
    if (uses_.count(name) == 0) continue;
    Flow flow;
    // Owned by the graph, which outlives the flows.
    flow.constant = std::shared_ptr<const OnnxTensor>(std::shared_ptr<void>(), &tensor);
    flows_[name] = std::move(flow);
  }
  if (graph_.inputs.size() != 1) {
    throw Error(graph_.path, "has " + std::to_string(graph_.inputs.size()) + " inputs",
                "accepted: one, the image, and weights as initializers");
  }
  const OnnxValue& image = graph_.inputs[0];
  const std::string what = "input '" + printable(image.name) + "' ";
  const bool fits = image.dims.size() == 4 && image.dims[0] <= kMaxExtent &&
                    image.dims[1] <= kMaxChannels &&
                    std::all_of(image.dims.begin() + 1, image.dims.end(),
                                [](auto n) { return n >= 1 && n <= kMaxExtent; }) &&
                    image.dims[1] * image.dims[2] <= kMaxElements / image.dims[3];
  if (!fits) {
    throw Error(
        graph_.path, what + "has the shape " + list_text(image.dims),
        "accepted: [N, C, H, W] with fixed C (at most 256), H and W; export with an example "
        "image of that size");
  }
  if (image.type != "FLOAT" && image.type != "UINT8") {
    throw Error(graph_.path, what + "is of type " + image.type, "accepted: FLOAT or UINT8");
  }
  takes_bytes_ = image.type == "UINT8";
  if (image.dims[0] > 0) batch_ = image.dims[0];
  C_ = image.dims[1];
  H_ = image.dims[2];
  W_ = image.dims[3];
  Flow flow;
  flow.C = C_;
  flow.H = H_;
  flow.W = W_;
  flow.sole = uses_[image.name] == 1;
  flow.gain.assign(static_cast<std::size_t>(C_), 1.0);
  flow.offset.assign(static_cast<std::size_t>(C_), 0.0);
  flows_[image.name] = std::move(flow);
}

void Translator::walk() {
  std::set<std::string> given_later;
  for (const OnnxNode& node : graph_.nodes) {
    given_later.insert(node.outputs.begin(), node.outputs.end());
  }
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (!live_[i]) continue;
    const OnnxNode& node = graph_.nodes[i];
    const NodeReader reader(graph_, node);
    if (!node.domain.empty() && node.domain != "ai.onnx") {
      reader.fail("is of the operator domain '" + printable(node.domain) + "'", kOperators);
    }
    for (const std::string& name : node.inputs) {
      if (name.empty() || flows_.count(name) != 0) continue;
      if (given_later.count(name) != 0) {
        reader.fail("reads '" + printable(name) + "' before it is there",
                    "the graph has a cycle or its nodes are out of order; export it again");
      }
      reader.fail("reads '" + printable(name) +
                      "', which is neither an initializer nor given by "
                      "a node",
                  "export the network with its weights (export_params=True)");
    }
    Flow flow = translate(reader);
    if (units_.size() > kMaxUnits) {
      reader.fail("is beyond unit " + std::to_string(kMaxUnits), "use a smaller network");
    }
    const auto uses = uses_.find(node.outputs.empty() ? std::string() : node.outputs[0]);
    if (uses == uses_.end())
      reader.fail("is read for another than its first output", "export the network again");
    flow.sole = flow.sole && uses->second == 1;
    if (!flows_.emplace(node.outputs[0], std::move(flow)).second) {
      reader.fail("gives '" + printable(node.outputs[0]) + "', which is there already",
                  "export the network again");
    }
  }
  if (flows_.count(graph_.outputs[0]) == 0) {
    throw Error(graph_.path,
                "its output '" + printable(graph_.outputs[0]) + "' is given by no node",
                "export the network again");
  }
}

Flow Translator::translate(const NodeReader& node) {
  if (evaluates(node)) {
    Flow flow;
    flow.constant = evaluate(node);
    return flow;
  }
  using Function = Flow (Translator::*)(const NodeReader&);
  static const std::map<std::string, Function> functions = {
      {"Conv", &Translator::translate_conv},
      {"Gemm", &Translator::translate_linear},
      {"MatMul", &Translator::translate_linear},
      {"MaxPool", &Translator::translate_max_pool},
      {"AveragePool", &Translator::translate_average_pool},
      {"GlobalAveragePool", &Translator::translate_whole_average},
      {"ReduceMean", &Translator::translate_mean},
      {"Pad", &Translator::translate_pad},
      {"BatchNormalization", &Translator::translate_batch_norm},
      {"Relu", &Translator::translate_relu},
      {"Clip", &Translator::translate_clip},
      {"Add", &Translator::translate_arithmetic},
      {"Sum", &Translator::translate_arithmetic},
      {"Sub", &Translator::translate_arithmetic},
      {"Mul", &Translator::translate_arithmetic},
      {"Div", &Translator::translate_arithmetic},
      {"Flatten", &Translator::translate_flatten},
      {"Reshape", &Translator::translate_reshape},
      {"Squeeze", &Translator::translate_squeeze},
      {"Identity", &Translator::translate_same},
      {"Dropout", &Translator::translate_same},
      {"Cast", &Translator::translate_cast},
  };
  const auto found = functions.find(node.op());
  if (found != functions.end()) return (this->*found->second)(node);
  if (node.op() == "Softmax" || node.op() == "LogSoftmax") {
    node.fail("is not part of an integer network",
              "export the network without it: the logits tell the same class");
  }
  node.fail("is an operator that no network here has", kOperators);
}

const Flow& Translator::input(const NodeReader& node, std::size_t at) const {
  if (!node.has_input(at)) {
    node.fail("lacks input " + std::to_string(at + 1), "export the network again");
  }
  return flows_.at(node.node().inputs[at]);
}

const Flow& Translator::activation(const NodeReader& node, std::size_t at) const {
  const Flow& flow = input(node, at);
  if (flow.constant) {
    node.fail("has a constant as input " + std::to_string(at + 1),
              "export with constant folding (do_constant_folding=True)");
  }
  return flow;
}

const OnnxTensor& Translator::constant(const NodeReader& node, std::size_t at) const {
  const Flow& flow = input(node, at);
  if (!flow.constant) {
    node.fail("has weights that are worked out, input " + std::to_string(at + 1) + " '" +
                  printable(node.node().inputs[at]) + "'",
              "accepted: an initializer or a Constant");
  }
  return *flow.constant;
}

bool Translator::is_constant(const NodeReader& node, std::size_t at) const {
  return node.has_input(at) && flows_.at(node.node().inputs[at]).constant != nullptr;
}

bool Translator::is_linear(const Flow& flow) const {
  return flow.unit >= 0 &&
         units_[static_cast<std::size_t>(flow.unit)].spec.kind == UnitKind::linear;
}

bool Translator::is_open(const Flow& flow) const {
  if (flow.unit < 0 || !flow.sole) return false;
  const DraftUnit& u = units_[static_cast<std::size_t>(flow.unit)];
  return !u.spec.relu && u.spec.pool_kernel == 0 && u.add < 0;
}

Flow Translator::add_unit(DraftUnit unit, const Flow& from, std::int64_t C, std::int64_t H,
                          std::int64_t W) {
  if (from.unit < 0) {
    if (image_read_ && (from.gain != gain_ || from.offset != offset_)) {
      throw Error(graph_.path, "its image is normalized in two ways",
                  "accepted: one normalization");
    }
    image_read_ = true;
    gain_ = from.gain;
    offset_ = from.offset;
  }
  if (C > kMaxElements / H || C * H > kMaxElements / W) {
    throw Error(graph_.path, "unit " + unit.spec.name + " gives more than 2^31 values",
                "use a smaller network or image");
  }
  unit.from = from.unit;
  unit.spec.relu = false;
  unit.spec.batch_norm = false;
  units_.push_back(std::move(unit));
  Flow flow;
  flow.unit = static_cast<int>(units_.size()) - 1;
  flow.C = C;
  flow.H = H;
  flow.W = W;
  flow.sole = true;
  return flow;
}

}  // namespace intandem
