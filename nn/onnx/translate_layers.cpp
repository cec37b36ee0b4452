// Layers with weights, and pooling.
#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "nn/channels_last.hpp"
#include "nn/onnx/translator.hpp"
#include "nn/pool_shape.hpp"

namespace intandem {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

}  // namespace

Flow Translator::translate_conv(const NodeReader& node) {
  node.allow({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
  const Flow& x = activation(node, 0);
  const OnnxTensor& weight = constant(node, 1);
  if (x.flat) node.fail("reads a vector, " + x.str(), "accepted: an image, [N, C, H, W]");
  const std::int64_t groups = node.integer("group", 1);
  if (weight.dims.size() != 4 || !weight.is_float || weight.size() == 0) {
    node.fail("has weights of shape " + list_text(weight.dims),
              "accepted: floats [K, C/group, R, S], convolutions over images");
  }
  const std::int64_t K = weight.dims[0], R = weight.dims[2], S = weight.dims[3];
  if (groups < 1 || K % groups != 0 || x.C % groups != 0 || weight.dims[1] != x.C / groups) {
    node.fail("has weights " + list_text(weight.dims) + " in " + number(groups) +
                  " groups for an input " + x.str(),
              "accepted: [K, C/group, R, S] for the C channels of the input");
  }
  const NodeReader::Window window = node.window(R, S, x.H, x.W);
  if (window.kernel != R || window.kernel != S) {
    node.fail("has weights of " + number(R) + "x" + number(S) + " taps and a kernel_shape of " +
                  number(window.kernel),
              "accepted: square kernels, kernel_shape as the weights");
  }
  DraftUnit unit;
  unit.spec.name = unit_name(node, node.node().inputs[1]);
  unit.spec.kind = UnitKind::conv;
  unit.spec.out = K;
  unit.spec.kernel = R;
  unit.spec.stride = window.stride;
  unit.spec.pad = window.pad;
  unit.spec.groups = groups;
  unit.weight = channels_last(weight.floats, K, weight.dims[1], R, S);
  unit.bias.assign(static_cast<std::size_t>(K), 0.0f);
  if (node.has_input(2)) {
    const OnnxTensor& bias = constant(node, 2);
    if (!bias.is_float || bias.size() != K) {
      node.fail("has a bias of shape " + list_text(bias.dims), "accepted: [" + number(K) + "]");
    }
    unit.bias = bias.floats;
  }
  return add_unit(std::move(unit), x, K, (x.H + 2 * window.pad - R) / window.stride + 1,
                  (x.W + 2 * window.pad - S) / window.stride + 1);
}

Flow Translator::translate_linear(const NodeReader& node) {
  const bool gemm = node.op() == "Gemm";
  node.allow(gemm ? std::set<std::string>{"alpha", "beta", "transA", "transB"}
                  : std::set<std::string>{});
  const Flow& x = activation(node, 0);
  const OnnxTensor& weight = constant(node, 1);
  if (!x.flat) node.fail("reads an image, " + x.str(), "accepted: a vector; put a Flatten before");
  node.require("transA", 0);
  const bool transposed = node.integer("transB", 0) != 0;
  const float alpha = node.number("alpha", 1.0f), beta = node.number("beta", 1.0f);
  const std::size_t outputs = transposed ? 0 : 1;
  if (weight.dims.size() != 2 || !weight.is_float || weight.dims[1 - outputs] != x.size() ||
      weight.dims[outputs] < 1) {
    node.fail("has weights of shape " + list_text(weight.dims) + " for an input " + x.str(),
              transposed ? "accepted: [K, " + number(x.size()) + "]"
                         : "accepted: [" + number(x.size()) + ", K]");
  }
  const std::int64_t K = weight.dims[outputs];
  DraftUnit unit;
  unit.spec.name = unit_name(node, node.node().inputs[1]);
  unit.spec.kind = UnitKind::linear;
  unit.spec.out = K;
  unit.weight = flattened_channels_last(K, x.C, x.H, x.W, [&](std::int64_t k, std::int64_t i) {
    const std::int64_t at = transposed ? k * x.size() + i : i * K + k;
    return alpha * weight.floats[static_cast<std::size_t>(at)];
  });
  unit.bias.assign(static_cast<std::size_t>(K), 0.0f);
  if (gemm && node.has_input(2)) {
    const OnnxTensor& bias = constant(node, 2);
    if (!bias.is_float || (bias.size() != K && bias.size() != 1)) {
      node.fail("has a bias of shape " + list_text(bias.dims), "accepted: [" + number(K) + "]");
    }
    for (std::size_t k = 0; k < unit.bias.size(); ++k) {
      unit.bias[k] = beta * bias.floats[bias.size() == 1 ? 0 : k];
    }
  }
  Flow flow = add_unit(std::move(unit), x, K, 1, 1);
  flow.flat = true;
  return flow;
}

Flow Translator::translate_max_pool(const NodeReader& node) {
  node.allow(
      {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"});
  const Flow& x = activation(node, 0);
  if (x.flat) node.fail("reads a vector, " + x.str(), "accepted: an image, [N, C, H, W]");
  node.require("storage_order", 0);
  const NodeReader::Window window = node.window(0, 0, x.H, x.W);
  if (window.kernel > kMaxPoolKernel) {
    node.refuse("kernel_shape", number(window.kernel),
                "windows of at most " + number(kMaxPoolKernel));
  }
  if (window.kernel == 1 && window.stride == 1 && window.pad == 0) return x;
  const bool rectified = x.unit >= 0 && unit(x).spec.relu;
  if (window.pad > 0 && !rectified) {
    node.refuse("pads", number(window.pad) + " on all sides",
                "0, or padding behind a Relu, where zeros around the image do no harm");
  }
  const bool fits = x.unit >= 0 && x.sole && unit(x).spec.pool_kernel == 0 && window.pad == 0;
  Flow flow = fits ? x : padded(node, x, window.pad);
  unit(flow).spec.pool_kernel = window.kernel;
  unit(flow).spec.pool_stride = window.stride;
  flow.H = (x.H + 2 * window.pad - window.kernel) / window.stride + 1;
  flow.W = (x.W + 2 * window.pad - window.kernel) / window.stride + 1;
  return flow;
}

Flow Translator::average(const Flow& x, std::int64_t kernel, std::int64_t stride, std::int64_t P,
                         std::int64_t Q) {
  DraftUnit unit;
  unit.spec.kind = UnitKind::avg_pool;
  unit.spec.kernel = kernel;
  unit.spec.stride = stride;
  return add_unit(std::move(unit), x, x.C, P, Q);
}

Flow Translator::translate_average_pool(const NodeReader& node) {
  node.allow({"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads",
              "strides"});
  const Flow& x = activation(node, 0);
  if (x.flat) node.fail("reads a vector, " + x.str(), "accepted: an image, [N, C, H, W]");
  const NodeReader::Window window = node.window(0, 0, x.H, x.W);
  if (window.pad != 0 && node.integer("count_include_pad", 0) == 0) {
    node.refuse("pads", number(window.pad) + " on all sides", "0, or count_include_pad = 1");
  }
  if (window.kernel == 1 && window.stride == 1 && window.pad == 0) return x;
  const std::string name = unit_name(node, {});
  const Flow from = window.pad == 0 ? x : padded(node, x, window.pad);
  Flow flow =
      average(from, window.kernel, window.stride, (from.H - window.kernel) / window.stride + 1,
              (from.W - window.kernel) / window.stride + 1);
  unit(flow).spec.name = name;
  return flow;
}

/// x with zeros around it. Behind a ReLU there is nothing below 0, which the new unit may say.
Flow Translator::padded(const NodeReader& node, const Flow& x, std::int64_t pad) {
  const bool rectified = x.unit >= 0 && unit(x).spec.relu;
  Flow flow = through_new_unit(node, x, pad);
  unit(flow).spec.relu = rectified;
  return flow;
}

/// PyTorch puts one before every average pool, mostly of nothing.
Flow Translator::translate_pad(const NodeReader& node) {
  node.allow({"mode", "pads", "value"});
  const Flow& x = activation(node, 0);
  const std::string mode = node.text("mode", "constant");
  if (mode != "constant") node.refuse("mode", printable(mode), "constant");
  std::vector<std::int64_t> pads = node.integers("pads", {});
  if (node.has_input(1)) pads = constant(node, 1).ints;
  float value = node.number("value", 0.0f);
  if (node.has_input(2) && !constant(node, 2).floats.empty()) value = constant(node, 2).floats[0];
  if (std::all_of(pads.begin(), pads.end(), [](auto pad) { return pad == 0; })) return x;
  // Before and after, of N, C, H and W.
  const std::int64_t pad = pads.size() == 8 ? pads[2] : -1;
  if (x.flat || pad < 0 || pad > (1 << 20) || value != 0.0f ||
      pads != std::vector<std::int64_t>{0, 0, pad, pad, 0, 0, pad, pad}) {
    node.refuse("pads", list_text(pads), "the same number of zeros on all four sides of an image");
  }
  return padded(node, x, pad);
}

Flow Translator::translate_whole_average(const NodeReader& node) {
  const Flow& x = activation(node, 0);
  if (x.flat) node.fail("reads a vector, " + x.str(), "accepted: an image, [N, C, H, W]");
  if (x.H == 1 && x.W == 1) return x;
  Flow flow = average(x, 0, 1, 1, 1);
  unit(flow).spec.name = unit_name(node, {});
  return flow;
}

/// A mean over height and width is a global average pool.
Flow Translator::translate_mean(const NodeReader& node) {
  node.allow({"axes", "keepdims", "noop_with_empty_axes"});
  std::vector<std::int64_t> axes = node.integers("axes", {});
  if (node.has_input(1)) axes = constant(node, 1).ints;
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + 4 : axis;
  std::sort(axes.begin(), axes.end());
  if (axes != std::vector<std::int64_t>{2, 3}) {
    node.refuse("axes", list_text(axes), "[2, 3], height and width");
  }
  Flow flow = translate_whole_average(node);
  flow.flat = node.integer("keepdims", 1) == 0;
  return flow;
}

}  // namespace intandem
