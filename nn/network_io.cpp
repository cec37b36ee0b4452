// A float network in a container: "architecture" in the metadata, tensors under "unit/<name>/".
#include <string>

#include "core/container.hpp"
#include "nn/network.hpp"

namespace intandem {
namespace {

constexpr const char* kArchitecture = "architecture";

// Calls f(tensor name, tensor) for every tensor of the network, in a fixed order.
template <class Network, class F>
void for_each_tensor(Network& net, const F& f) {
  for (int k = 0; k < net.unit_count(); ++k) {
    const std::string prefix = "unit/" + net.spec().units[static_cast<std::size_t>(k)].name + "/";
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

}  // namespace

void store_network(const FloatNetwork& net, Container& file) {
  file.set(kArchitecture, to_json(net.spec()));
  // Copies: the container shares buffers, and the network may train on before it is saved.
  for_each_tensor(net,
                  [&](const std::string& name, const TensorF& t) { file.put(name, t.clone()); });
}

FloatNetwork load_network(const Container& file) {
  FloatNetwork net(network_from_json(file.get(kArchitecture), file.path()), Rng(0));
  for_each_tensor(net, [&](const std::string& name, TensorF& t) {
    // Cloned: the container may outlive this network or be loaded from again.
    t = file.tensor<float>(name, t.shape()).clone();
  });
  return net;
}

}  // namespace intandem
