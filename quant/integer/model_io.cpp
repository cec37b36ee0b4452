// The integer model as a container of kind "integer-model" (docs/formats.md): geometry and ranges
// as metadata "layer.K.FIELD", arrays as tensors "layer.K.ARRAY".
#include <limits>
#include <string>

#include "core/container.hpp"
#include "core/error.hpp"
#include "quant/integer/model.hpp"

namespace intandem {
namespace {

constexpr const char* kRemedy = "the model is damaged; export it again";
constexpr std::int64_t kMaxLayers = 10000;

std::string key(std::int64_t layer, const char* field) {
  return "layer." + std::to_string(layer) + "." + field;
}

const char* kind_name(IntLayerKind kind) {
  switch (kind) {
    case IntLayerKind::conv:
      return "conv";
    case IntLayerKind::linear:
      return "linear";
    case IntLayerKind::avg_pool:
      return "avg_pool";
  }
  return "?";
}

IntLayerKind kind_of(const std::string& name, const std::string& subject) {
  for (const IntLayerKind kind :
       {IntLayerKind::conv, IntLayerKind::linear, IntLayerKind::avg_pool}) {
    if (name == kind_name(kind)) return kind;
  }
  throw Error(subject, "unknown layer kind '" + name + "'", "use a newer intandem");
}

/// Every number of a layer's metadata, in the order it is written. `visit` is called with the name
/// and the member.
template <class Layer, class Visit>
void for_each_number(Layer& layer, const Visit& visit) {
  visit("H", layer.shape.H);
  visit("W", layer.shape.W);
  visit("C", layer.shape.C);
  visit("K", layer.shape.K);
  visit("R", layer.shape.R);
  visit("S", layer.shape.S);
  visit("stride", layer.shape.stride);
  visit("pad", layer.shape.pad);
  visit("weight_bits", layer.weight_bits);
  visit("in_max", layer.in_max);
  visit("max_code", layer.max_code);
  visit("add", layer.add);
  visit("pool_kernel", layer.pool_kernel);
  visit("pool_stride", layer.pool_stride);
  visit("bound", layer.bound);
  visit("zero_channels", layer.zero_channels);
}

/// Numbers that files of format version 1 do not have, written where they are not `usual` only.
template <class Layer, class Visit>
void for_each_later_number(Layer& layer, const Visit& visit) {
  visit("groups", layer.shape.groups, 1);
  visit("input", layer.input, -1);
  visit("zero_point", layer.zero_point, 0);
  visit("add_zero", layer.add_zero, 0);
}

template <class Int>
Int get_number(const Container& file, const std::string& name) {
  const std::int64_t value = file.get_int(name);
  if (value < std::numeric_limits<Int>::min() || value > std::numeric_limits<Int>::max()) {
    throw Error(file.path(), name + " = " + std::to_string(value) + " is out of range", kRemedy);
  }
  return static_cast<Int>(value);
}

template <class T, class Get>
TensorS32 gather(const std::vector<T>& items, const Get& get) {
  TensorS32 result(Shape{static_cast<std::int64_t>(items.size())});
  for (std::size_t i = 0; i < items.size(); ++i)
    result[static_cast<std::int64_t>(i)] = get(items[i]);
  return result;
}

template <class T>
void load_optional(const Container& file, const std::string& name, Tensor<T>& tensor) {
  if (file.has_tensor(name)) tensor = file.tensor<T>(name);
}

IntLayer load_layer(const Container& file, std::int64_t index) {
  IntLayer layer;
  layer.name = file.get(key(index, "name"));
  layer.kind = kind_of(file.get(key(index, "kind")), file.path() + ": " + layer.name);
  for_each_number(layer, [&](const char* field, auto& member) {
    member = get_number<std::remove_reference_t<decltype(member)>>(file, key(index, field));
  });
  for_each_later_number(layer, [&](const char* field, auto& member, int usual) {
    member = usual;
    if (!file.has(key(index, field))) return;
    member = get_number<std::remove_reference_t<decltype(member)>>(file, key(index, field));
  });
  load_optional(file, key(index, "weights"), layer.weights);
  load_optional(file, key(index, "bias"), layer.bias);
  load_optional(file, key(index, "pad_code"), layer.pad_code);
  if (!layer.is_last()) {
    const TensorS32 m = file.tensor<std::int32_t>(key(index, "m"));
    const TensorS32 n = file.tensor<std::int32_t>(key(index, "n"), m.shape());
    for (std::int64_t i = 0; i < m.size(); ++i) layer.scale.push_back({m[i], n[i]});
  }
  if (layer.add >= 0) {
    const TensorS32 add_m = file.tensor<std::int32_t>(key(index, "add_m"));
    layer.add_m.assign(add_m.begin(), add_m.end());
  }
  return layer;
}

}  // namespace

void store_model(const IntModel& model, Container& file) {
  file.set("network", model.network);
  file.set("height", std::to_string(model.height));
  file.set("width", std::to_string(model.width));
  file.set("channels", std::to_string(model.channels));
  file.set("classes", std::to_string(model.classes));
  file.set("layers", std::to_string(model.layers.size()));
  std::int64_t index = 0;
  for (const IntLayer& layer : model.layers) {
    file.set(key(index, "name"), layer.name);
    file.set(key(index, "kind"), kind_name(layer.kind));
    for_each_number(layer, [&](const char* field, const auto& member) {
      file.set(key(index, field), std::to_string(member));
    });
    for_each_later_number(layer, [&](const char* field, const auto& member, int usual) {
      if (member == usual) return;
      file.set(key(index, field), std::to_string(member));
      file.require_version(2);
    });
    if (layer.kind == IntLayerKind::avg_pool && !layer.bias.empty()) file.require_version(2);
    if (!layer.weights.empty()) file.put(key(index, "weights"), layer.weights);
    if (!layer.bias.empty()) file.put(key(index, "bias"), layer.bias);
    if (!layer.pad_code.empty()) file.put(key(index, "pad_code"), layer.pad_code);
    if (!layer.is_last()) {
      file.put(key(index, "m"), gather(layer.scale, [](const Multiplier& s) { return s.m; }));
      file.put(key(index, "n"), gather(layer.scale, [](const Multiplier& s) { return s.n; }));
    }
    if (layer.add >= 0) {
      file.put(key(index, "add_m"), gather(layer.add_m, [](std::int32_t m) { return m; }));
    }
    ++index;
  }
}

IntModel load_model(const Container& file) {
  IntModel model;
  model.network = file.get("network");
  model.height = file.get_int("height");
  model.width = file.get_int("width");
  model.channels = file.get_int("channels");
  model.classes = file.get_int("classes");
  const std::int64_t layers = file.get_int("layers");
  if (layers < 1 || layers > kMaxLayers) {
    throw Error(file.path(), std::to_string(layers) + " layers", kRemedy);
  }
  for (std::int64_t index = 0; index < layers; ++index) {
    model.layers.push_back(load_layer(file, index));
  }
  check_model(model, file.path());
  return model;
}

}  // namespace intandem
