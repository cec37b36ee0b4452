// A float network in a container: "architecture" in the metadata, tensors under "unit/<name>/".
#include <algorithm>
#include <cmath>
#include <string>

#include "core/container.hpp"
#include "nn/network.hpp"

namespace intandem {
namespace {

constexpr const char* kArchitecture = "architecture";
constexpr const char* kEpsilon = "epsilon";
constexpr const char* kRemedy = "training diverged or the file is damaged; train it again";

[[noreturn]] void refuse(const Container& file, const std::string& name, float value,
                         std::int64_t at, const std::string& why) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
  throw Error(
      file.path(),
      "tensor '" + name + "' holds " + text + " (element " + std::to_string(at) + "), " + why,
      kRemedy);
}

std::string unit_prefix(const NetworkSpec& spec, int k) {
  return "unit/" + spec.units[static_cast<std::size_t>(k)].name + "/";
}

// Calls f(tensor name, tensor) for every tensor of the network, in a fixed order.
template <class Network, class F>
void for_each_tensor(Network& net, const F& f) {
  for (int k = 0; k < net.unit_count(); ++k) {
    const std::string prefix = unit_prefix(net.spec(), k);
    auto& unit = net.unit(k);
    const auto visit = [&](const char* name, auto& tensor) {
      if (!tensor.empty()) f(prefix + name, tensor);
    };
    visit("weight", unit.weight.value);
    visit("bias", unit.bias.value);
    visit("gamma", unit.gamma.value);
    visit("beta", unit.beta.value);
    visit("running_mean", unit.bn.running_mean);
    visit("running_var", unit.bn.running_var);
  }
}

// Files of before it was stored have the ε of every network then.
float load_epsilon(const Container& file, const std::string& name) {
  if (!file.has_tensor(name)) return BatchNormState{}.epsilon;
  const float epsilon = file.tensor<float>(name, {1})[0];
  if (!(epsilon > 0.0f && epsilon <= 1.0f)) refuse(file, name, epsilon, 0, "not in (0, 1]");
  return epsilon;
}

}  // namespace

void check_magnitudes(const Container& file, const std::string& name, const TensorF& values) {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [](float v) { return !(std::abs(v) <= kMaxParameter); });
  if (found != values.end()) {
    refuse(file, name, *found, found - values.begin(), "whose square overflows");
  }
}

void store_network(const FloatNetwork& net, Container& file) {
  file.set(kArchitecture, to_json(net.spec()));
  // Copies: the container shares buffers, and the network may train on before it is saved.
  for_each_tensor(net,
                  [&](const std::string& name, const TensorF& t) { file.put(name, t.clone()); });
  for (int k = 0; k < net.unit_count(); ++k) {
    if (!net.spec().units[static_cast<std::size_t>(k)].batch_norm) continue;
    file.put(unit_prefix(net.spec(), k) + kEpsilon, TensorF::full({1}, net.unit(k).bn.epsilon));
  }
}

NetworkSpec load_architecture(const Container& file) {
  NetworkSpec spec = network_from_json(file.get(kArchitecture), file.path());
  std::int64_t held = 0;
  for (const std::string& name : file.tensor_names()) held += file.shape(name).size();
  const std::vector<UnitGeometry> geometry = infer_geometry(spec);
  for (std::size_t k = 0; k < geometry.size(); ++k) {
    if (spec.units[k].kind == UnitKind::avg_pool) continue;
    const ConvShape& s = geometry[k].shape;
    if (s.reduction() > held / s.K) {
      throw Error(file.path(), "its architecture has more weights than the file holds", kRemedy);
    }
    held -= s.reduction() * s.K;
  }
  return spec;
}

FloatNetwork load_network(const Container& file) {
  FloatNetwork net(load_architecture(file), Rng(0));
  for_each_tensor(net, [&](const std::string& name, TensorF& t) {
    // Cloned: the container may outlive this network or be loaded from again.
    t = file.tensor<float>(name, t.shape()).clone();
    if (name.ends_with("/running_var")) {
      const auto negative = std::find_if(t.begin(), t.end(), [](float v) { return !(v >= 0.0f); });
      if (negative != t.end()) {
        refuse(file, name, *negative, negative - t.begin(), "a negative variance");
      }
    } else {
      check_magnitudes(file, name, t);
    }
  });
  for (int k = 0; k < net.unit_count(); ++k) {
    net.unit(k).bn.epsilon = load_epsilon(file, unit_prefix(net.spec(), k) + kEpsilon);
  }
  return net;
}

}  // namespace intandem
