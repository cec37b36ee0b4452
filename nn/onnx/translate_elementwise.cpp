// What works on every value by itself: batch norm, bias and scale, sums, ReLU.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/text.hpp"
#include "nn/onnx/translator.hpp"

namespace intandem {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

Flow Translator::through_new_unit(const NodeReader& node, const Flow& x, std::int64_t pad) {
  if (is_linear(x)) {
    node.fail("follows a vector, " + x.str() + ", that it cannot be part of",
              "accepted behind a linear layer, in this order: bias, batch norm, sum, ReLU");
  }
  DraftUnit unit;
  unit.spec.name = unit_name(node, {});
  unit.spec.kind = UnitKind::conv;
  unit.spec.out = x.C;
  unit.spec.groups = x.C;
  unit.spec.pad = pad;
  unit.weight.assign(static_cast<std::size_t>(x.C), 1.0f);
  unit.bias.assign(static_cast<std::size_t>(x.C), 0.0f);
  Flow flow = add_unit(std::move(unit), x, x.C, x.H + 2 * pad, x.W + 2 * pad);
  flow.flat = x.flat;
  return flow;
}

Flow Translator::translate_batch_norm(const NodeReader& node) {
  node.allow({"epsilon", "momentum", "training_mode", "spatial"});
  node.require("training_mode", 0);
  node.require("spatial", 1);
  const Flow& x = activation(node, 0);
  std::vector<float> parts[4];
  static const char* const names[] = {"scale", "offset", "mean", "variance"};
  for (std::size_t i = 0; i < 4; ++i) {
    const OnnxTensor& values = constant(node, i + 1);
    if (!values.is_float || values.size() != (x.flat ? x.size() : x.C) ||
        (x.flat && x.H * x.W > 1)) {
      node.fail("has a " + std::string(names[i]) + " of shape " + list_text(values.dims) +
                    " for an input " + x.str(),
                "accepted: one value per channel");
    }
    parts[i] = values.floats;
  }
  const float epsilon = node.number("epsilon", 1e-5f);
  if (!(epsilon > 0.0f && epsilon <= 1.0f)) {
    node.refuse("epsilon", number(static_cast<double>(epsilon)), "above 0, at most 1");
  }
  const auto negative =
      std::find_if(parts[3].begin(), parts[3].end(), [](float v) { return v < 0.0f; });
  if (negative != parts[3].end()) {
    node.fail("has the variance " + number(static_cast<double>(*negative)) + " (channel " +
                  std::to_string(negative - parts[3].begin()) + ")",
              "accepted: 0 or more; train or export again");
  }
  if (is_open(x) && unit(x).spec.batch_norm) {
    std::vector<double> gain, offset;
    for (std::size_t c = 0; c < parts[0].size(); ++c) {
      gain.push_back(static_cast<double>(parts[0][c]) /
                     std::sqrt(static_cast<double>(parts[3][c]) + static_cast<double>(epsilon)));
      offset.push_back(static_cast<double>(parts[1][c]) -
                       gain.back() * static_cast<double>(parts[2][c]));
    }
    return affine(node, x, gain, offset);
  }
  const bool fits = is_open(x) && unit(x).spec.kind != UnitKind::avg_pool;
  const Flow flow = fits ? x : through_new_unit(node, x);
  DraftUnit& u = unit(flow);
  u.spec.batch_norm = true;
  u.gamma = parts[0];
  u.beta = parts[1];
  u.mean = parts[2];
  u.variance = parts[3];
  u.epsilon = epsilon;
  // The convolution's own bias: γ(Wx + b − μ)/√(σ² + ε) + β.
  for (std::size_t c = 0; c < u.mean.size(); ++c) u.mean[c] -= u.bias[c];
  u.bias.clear();
  return flow;
}

/// One value per channel from a constant that is broadcast over everything else.
std::vector<double> Translator::per_channel(const NodeReader& node, const OnnxTensor& values,
                                            const Flow& x) const {
  const std::int64_t C = x.flat ? x.size() : x.C;
  // Axes from the last one: W, H, C of an image, C of a vector.
  const std::size_t channel_axis = x.flat ? 0 : 2;
  bool fits = values.is_float && values.size() > 0 && values.dims.size() <= channel_axis + 2;
  for (std::size_t i = 0; i < values.dims.size(); ++i) {
    const std::size_t from_last = values.dims.size() - 1 - i;
    fits = fits && (values.dims[i] == 1 || (from_last == channel_axis && values.dims[i] == C));
  }
  if (!fits || (x.flat && x.H * x.W > 1 && values.size() > 1)) {
    node.fail("has a constant of shape " + list_text(values.dims) + " beside " + x.str(),
              "accepted: one float, or one per channel");
  }
  std::vector<double> result(static_cast<std::size_t>(x.C));
  for (std::size_t c = 0; c < result.size(); ++c) {
    result[c] = static_cast<double>(values.floats[values.size() == 1 ? 0 : c]);
  }
  return result;
}

Flow Translator::affine(const NodeReader& node, Flow x, const std::vector<double>& gain,
                        const std::vector<double>& offset) {
  if (x.unit < 0) {
    for (std::size_t c = 0; c < gain.size(); ++c) {
      x.gain[c] *= gain[c];
      x.offset[c] = gain[c] * x.offset[c] + offset[c];
    }
    return x;
  }
  const bool fits = is_open(x) && unit(x).spec.kind != UnitKind::avg_pool;
  const Flow flow = fits ? x : through_new_unit(node, x);
  DraftUnit& u = unit(flow);
  const std::size_t row = u.weight.size() / gain.size();
  std::vector<float>& scaled = u.spec.batch_norm ? u.gamma : u.weight;
  std::vector<float>& shifted = u.spec.batch_norm ? u.beta : u.bias;
  const std::size_t per_channel = u.spec.batch_norm ? 1 : row;
  for (std::size_t c = 0; c < gain.size(); ++c) {
    for (std::size_t i = c * per_channel; i < (c + 1) * per_channel; ++i) {
      scaled[i] = static_cast<float>(gain[c] * static_cast<double>(scaled[i]));
    }
    shifted[c] = static_cast<float>(gain[c] * static_cast<double>(shifted[c]) + offset[c]);
  }
  return flow;
}

Flow Translator::translate_arithmetic(const NodeReader& node) {
  node.allow({});
  const std::string& op = node.op();
  if (node.node().inputs.size() != 2) {
    node.fail("has " + std::to_string(node.node().inputs.size()) + " inputs", "accepted: two");
  }
  const bool first_constant = is_constant(node, 0);
  if (!first_constant && !is_constant(node, 1)) {
    if (op == "Add" || op == "Sum") return sum(node, activation(node, 0), activation(node, 1));
    node.fail("combines two activations", "accepted: Add of two, or a constant and one");
  }
  const Flow& x = activation(node, first_constant ? 1 : 0);
  std::vector<double> value = per_channel(node, constant(node, first_constant ? 0 : 1), x);
  std::vector<double> gain(value.size(), 1.0), offset(value.size(), 0.0);
  if (op == "Add" || op == "Sum") {
    offset = value;
  } else if (op == "Mul") {
    gain = value;
  } else if (op == "Sub") {
    for (std::size_t c = 0; c < value.size(); ++c) {
      gain[c] = first_constant ? -1.0 : 1.0;
      offset[c] = first_constant ? value[c] : -value[c];
    }
  } else {
    if (first_constant) node.fail("divides a constant by activations", "accepted: the reverse");
    for (std::size_t c = 0; c < value.size(); ++c) {
      if (value[c] == 0.0) node.fail("divides by 0", "train or export again");
      gain[c] = 1.0 / value[c];
    }
  }
  return affine(node, x, gain, offset);
}

Flow Translator::sum(const NodeReader& node, const Flow& a, const Flow& b) {
  if (a.C != b.C || a.H != b.H || a.W != b.W) {
    node.fail("adds " + a.str() + " and " + b.str(), "accepted: two of the same shape");
  }
  if (a.unit == b.unit) node.fail("adds a value to itself", "accepted: two different values");
  // The sum belongs to a unit that nobody else reads: the first of the two, if there is a choice.
  const bool into_b = !is_open(a) && is_open(b);
  const Flow& other_flow = into_b ? a : b;
  const Flow other = other_flow.unit >= 0 ? other_flow : through_new_unit(node, other_flow);
  const Flow& main = into_b ? b : a;
  Flow flow = is_open(main) ? main : through_new_unit(node, main);
  unit(flow).add = other.unit;
  flow.flat = main.flat;
  return flow;
}

Flow Translator::relu(const NodeReader& node, const Flow& x) {
  if (x.unit >= 0 && units_[static_cast<std::size_t>(x.unit)].spec.relu) return x;
  // Behind a max-pool is as good as before it.
  const Flow flow = x.unit >= 0 && x.sole ? x : through_new_unit(node, x);
  unit(flow).spec.relu = true;
  return flow;
}

Flow Translator::translate_relu(const NodeReader& node) {
  node.allow({});
  return relu(node, activation(node, 0));
}

/// Clip from 0 without an upper end is a ReLU; bounds are inputs from operator set 11 on.
Flow Translator::translate_clip(const NodeReader& node) {
  node.allow({"min", "max"});
  constexpr float kNone = 3.4e38f;
  float bounds[2] = {node.number("min", -kNone), node.number("max", kNone)};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!node.has_input(i + 1)) continue;
    const OnnxTensor& bound = constant(node, i + 1);
    if (!bound.is_float || bound.size() != 1) node.fail("has bounds that are no float", "one each");
    bounds[i] = bound.floats[0];
  }
  if (bounds[0] != 0.0f || bounds[1] < kNone) {
    node.fail("limits values to " + number(static_cast<double>(bounds[0])) + " ... " +
                  number(static_cast<double>(bounds[1])),
              "accepted: from 0 without an upper end, a ReLU; train with ReLU in the place of "
              "ReLU6");
  }
  return relu(node, activation(node, 0));
}

}  // namespace intandem
