#include "nn/onnx/node_reader.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 20;  // as in infer_geometry

}  // namespace

std::string list_text(const std::vector<std::int64_t>& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size() && i < 8; ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(values[i]);
  }
  return "[" + text + (values.size() > 8 ? ", …" : "") + "]";
}

void NodeReader::fail(const std::string& problem, const std::string& remedy) const {
  throw Error(graph_.path, node_.str() + " " + problem, remedy);
}

void NodeReader::refuse(const std::string& attribute, const std::string& value,
                        const std::string& accepted) const {
  fail("has the attribute " + attribute + " = " + value, "accepted: " + accepted);
}

const OnnxAttribute* NodeReader::find(const std::string& name, const char* kind) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return nullptr;
  if (found->second.kind != kind) {
    fail("has the attribute " + name + " of kind " + found->second.kind,
         std::string("accepted: ") + kind);
  }
  return &found->second;
}

std::int64_t NodeReader::integer(const std::string& name, std::int64_t fallback) const {
  const OnnxAttribute* attribute = find(name, "INT");
  return attribute != nullptr ? attribute->i : fallback;
}

float NodeReader::number(const std::string& name, float fallback) const {
  const OnnxAttribute* attribute = find(name, "FLOAT");
  return attribute != nullptr ? attribute->f : fallback;
}

std::string NodeReader::text(const std::string& name, const std::string& fallback) const {
  const OnnxAttribute* attribute = find(name, "STRING");
  return attribute != nullptr ? attribute->s : fallback;
}

std::vector<std::int64_t> NodeReader::integers(const std::string& name,
                                               std::vector<std::int64_t> fallback) const {
  const OnnxAttribute* attribute = find(name, "INTS");
  return attribute != nullptr ? attribute->ints : fallback;
}

const OnnxTensor* NodeReader::tensor(const std::string& name) const {
  const OnnxAttribute* attribute = find(name, "TENSOR");
  return attribute != nullptr && attribute->tensor ? &*attribute->tensor : nullptr;
}

void NodeReader::allow(const std::set<std::string>& known) const {
  for (const auto& [name, attribute] : node_.attributes) {
    if (known.count(name) != 0) continue;
    std::string accepted;
    for (const std::string& each : known) accepted += (accepted.empty() ? "" : ", ") + each;
    fail("has the unknown attribute " + printable(name),
         "accepted: " + (accepted.empty() ? "none" : accepted));
  }
}

void NodeReader::require(const std::string& name, std::int64_t value) const {
  const std::int64_t found = integer(name, value);
  if (found != value) refuse(name, std::to_string(found), std::to_string(value));
}

std::int64_t NodeReader::padding(std::int64_t kernel, std::int64_t stride, std::int64_t H,
                                 std::int64_t W) const {
  const std::string mode = text("auto_pad", "NOTSET");
  if (mode == "VALID") return 0;
  if (mode == "NOTSET") {
    const std::vector<std::int64_t> pads = integers("pads", {0, 0, 0, 0});
    const bool same = pads.size() == 4 && std::all_of(pads.begin(), pads.end(), [&](auto pad) {
                        return pad == pads[0] && pad >= 0 && pad <= kMaxExtent;
                      });
    if (!same) refuse("pads", list_text(pads), "the same number on all four sides");
    return pads[0];
  }
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    refuse("auto_pad", printable(mode), "NOTSET, VALID, SAME_UPPER, SAME_LOWER");
  }
  const auto total = [&](std::int64_t extent) {
    const std::int64_t out = (extent + stride - 1) / stride;
    return std::max<std::int64_t>(0, (out - 1) * stride + kernel - extent);
  };
  if (total(H) != total(W) || total(H) % 2 != 0) {
    refuse("auto_pad", mode, "a padding that is the same on all four sides, which this is not");
  }
  return total(H) / 2;
}

NodeReader::Window NodeReader::window(std::int64_t kernel_H, std::int64_t kernel_W, std::int64_t H,
                                      std::int64_t W) const {
  const std::vector<std::int64_t> kernel = integers("kernel_shape", {kernel_H, kernel_W});
  const std::vector<std::int64_t> strides = integers("strides", {1, 1});
  const std::vector<std::int64_t> dilations = integers("dilations", {1, 1});
  if (kernel.size() != 2 || kernel[0] != kernel[1] || kernel[0] < 1 || kernel[0] > kMaxExtent) {
    refuse("kernel_shape", list_text(kernel), "a square window, such as [3, 3]");
  }
  if (strides.size() != 2 || strides[0] != strides[1] || strides[0] < 1 ||
      strides[0] > kMaxExtent) {
    refuse("strides", list_text(strides), "the same stride of 1 or more in both directions");
  }
  if (dilations.size() != 2 || dilations[0] != 1 || dilations[1] != 1) {
    refuse("dilations", list_text(dilations), "[1, 1]");
  }
  const Window result{kernel[0], strides[0], padding(kernel[0], strides[0], H, W)};
  const std::int64_t rest_H = H + 2 * result.pad - result.kernel;
  const std::int64_t rest_W = W + 2 * result.pad - result.kernel;
  if (rest_H < 0 || rest_W < 0) {
    fail("has a window of " + std::to_string(result.kernel) + "x" + std::to_string(result.kernel) +
             " over an image of " + std::to_string(H) + "x" + std::to_string(W),
         "the window must fit the padded image");
  }
  if (integer("ceil_mode", 0) != 0 &&
      (rest_H % result.stride != 0 || rest_W % result.stride != 0)) {
    refuse("ceil_mode", "1", "0, or windows that fill the image exactly");
  }
  return result;
}

}  // namespace intandem
