// From units under construction to a network: names, order, parameters.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/text.hpp"
#include "nn/onnx/translator.hpp"

namespace intandem {
namespace {

constexpr std::size_t kLongestName = 100;

/// Letters, digits and ._- alone: names stand in flags, files and tensor names.
std::string plain(const std::string& text) {
  std::string result;
  for (const char c : text.substr(0, kLongestName)) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (keep) {
      result += c;
    } else if (!result.empty()) {
      result += c == '/' ? '.' : '_';
    }
  }
  return result;
}

Parameter checked(const OnnxGraph& graph, const DraftUnit& unit, const char* what,
                  const std::vector<float>& values, const Parameter& model) {
  for (const float v : values) {
    if (std::abs(v) <= kMaxParameter) continue;
    throw Error(graph.path,
                "unit " + unit.spec.name + " has a " + what + " whose square is not finite",
                "train or export again");
  }
  TensorF tensor(model.value.shape());
  INTANDEM_CHECK(tensor.size() == static_cast<std::int64_t>(values.size()),
                 "unit " + unit.spec.name + ": " + what + " of " + tensor.shape().str());
  std::copy(values.begin(), values.end(), tensor.begin());
  Parameter parameter = model;
  parameter.value = tensor;
  return parameter;
}

}  // namespace

/// "features.0" of weights called "features.0.weight"; else from the node, "layer1.conv" of
/// "/layer1/conv/Conv"; else its operator. A name that is taken gets a number.
std::string Translator::unit_name(const NodeReader& node, const std::string& weight_name) {
  const std::string ending = ".weight";
  std::string name;
  if (weight_name.size() > ending.size() && weight_name.ends_with(ending)) {
    name = plain(weight_name.substr(0, weight_name.size() - ending.size()));
  } else {
    name = plain(node.node().name);
    const std::string op = "." + node.op();
    if (name.ends_with(op)) name.resize(name.size() - op.size());
  }
  if (name.empty()) name = node.op();
  const int count = ++names_[name];
  if (count == 1) return name;
  std::string numbered = name + "-" + std::to_string(count);
  while (++names_[numbered] > 1) numbered += "-" + std::to_string(count);
  return numbered;
}

/// A unit comes behind the one it reads and the one it adds; otherwise the graph's order is kept.
std::vector<int> Translator::order_of_units() const {
  std::vector<int> order;
  std::vector<bool> placed(units_.size(), false);
  // Depth first over what a unit needs; nothing is needed in a circle, for the nodes had an order.
  std::vector<int> stack;
  for (std::size_t first = 0; first < units_.size(); ++first) {
    stack.push_back(static_cast<int>(first));
    while (!stack.empty()) {
      const int at = stack.back();
      const DraftUnit& u = units_[static_cast<std::size_t>(at)];
      if (placed[static_cast<std::size_t>(at)]) {
        stack.pop_back();
        continue;
      }
      bool ready = true;
      for (const int needed : {u.from, u.add}) {
        if (needed < 0 || placed[static_cast<std::size_t>(needed)]) continue;
        stack.push_back(needed);
        ready = false;
      }
      if (!ready) continue;
      placed[static_cast<std::size_t>(at)] = true;
      order.push_back(at);
      stack.pop_back();
    }
  }
  return order;
}

ImportedNetwork Translator::finish(const Flow& last) {
  if (last.constant || last.unit < 0 || units_.empty()) {
    throw Error(graph_.path, "its output does not depend on a layer", "export the network again");
  }
  const DraftUnit& end = units_[static_cast<std::size_t>(last.unit)];
  if (end.spec.relu || end.spec.pool_kernel > 0 || end.add >= 0 || last.H * last.W != 1) {
    throw Error(graph_.path,
                "ends in " + last.str() + " behind unit " + end.spec.name +
                    " with a ReLU, a pool, a sum or an image",
                "accepted: logits, the plain output of a linear layer, 1x1 convolution or average");
  }
  NetworkSpec spec;
  spec.name = name_;
  spec.height = H_;
  spec.width = W_;
  spec.channels = C_;
  spec.classes = last.C;
  const std::vector<int> order = order_of_units();
  for (std::size_t k = 0; k < order.size(); ++k) {
    const DraftUnit& u = units_[static_cast<std::size_t>(order[k])];
    UnitSpec unit = u.spec;
    const int before = k > 0 ? order[k - 1] : -1;
    if (u.from != before) {
      if (u.from < 0) {
        throw Error(graph_.path, "unit " + unit.name + " reads the image, as the first unit does",
                    "accepted: one layer that reads the image");
      }
      unit.input = units_[static_cast<std::size_t>(u.from)].spec.name;
    }
    if (u.add >= 0) unit.add = units_[static_cast<std::size_t>(u.add)].spec.name;
    spec.units.push_back(std::move(unit));
  }
  if (order.back() != last.unit) {
    throw Error(graph_.path, "its output is not its last layer's", "export the network again");
  }
  try {
    infer_geometry(spec);
  } catch (const Error& error) {
    throw Error(graph_.path, error.what(), "docs/networks.md says what a network can be");
  }
  ImportedNetwork result{FloatNetwork(spec, Rng(0)), gain_, offset_, takes_bytes_};
  for (std::size_t k = 0; k < order.size(); ++k) {
    DraftUnit& u = units_[static_cast<std::size_t>(order[k])];
    FloatUnit& to = result.net.unit(static_cast<int>(k));
    if (u.spec.kind == UnitKind::avg_pool) continue;
    to.weight = checked(graph_, u, "weight", u.weight, to.weight);
    u.weight = {};
    if (!u.spec.batch_norm) {
      to.bias = checked(graph_, u, "bias", u.bias, to.bias);
      continue;
    }
    to.gamma = checked(graph_, u, "gamma", u.gamma, to.gamma);
    to.beta = checked(graph_, u, "beta", u.beta, to.beta);
    to.bn.running_mean = checked(graph_, u, "mean", u.mean, to.gamma).value;
    std::copy(u.variance.begin(), u.variance.end(), to.bn.running_var.begin());
    to.bn.epsilon = u.epsilon;
  }
  return result;
}

}  // namespace intandem
