#include <algorithm>
#include <cmath>

#include "nn/networks/networks.hpp"

namespace intandem {
namespace {

struct Entry {
  const char* name;
  NetworkSpec (*make)(double width, std::int64_t classes);
};

constexpr Entry kNetworks[] = {
    {"fashion-alexnet", fashion_alexnet},
    {"alexnet-cifar", alexnet_cifar},
    {"cifar-alexnet-64", cifar_alexnet_64},
    {"alexnet", alexnet},
    {"vgg-small", vgg_small},
    {"resnet20", resnet20},
    {"resnet18", resnet18},
    {"resnet18-cifar", resnet18_cifar},
    {"mobilenet", mobilenet},
    {"mobilenet-cifar", mobilenet_cifar},
};

}  // namespace

std::int64_t scaled(std::int64_t channels, double width) {
  const auto eighths = std::llround(static_cast<double>(channels) * width / 8.0);
  return 8 * std::max<std::int64_t>(1, eighths);
}

UnitSpec conv_unit(const std::string& name, std::int64_t out, std::int64_t kernel,
                   std::int64_t stride, std::int64_t pad, PoolSpec pool) {
  UnitSpec u;
  u.name = name;
  u.kind = UnitKind::conv;
  u.out = out;
  u.kernel = kernel;
  u.stride = stride;
  u.pad = pad;
  u.pool_kernel = pool.kernel;
  u.pool_stride = pool.stride;
  return u;
}

UnitSpec global_pool_unit(const char* name) {
  UnitSpec u;
  u.name = name;
  u.kind = UnitKind::avg_pool;
  u.kernel = 0;
  u.batch_norm = false;
  u.relu = false;
  return u;
}

void add_basic_block(NetworkSpec& spec, const std::string& name, const std::string& from,
                     std::int64_t in, std::int64_t out, std::int64_t stride) {
  std::string shortcut = from;
  if (stride != 1 || in != out) {
    shortcut = name + ".shortcut";
    UnitSpec projection = conv_unit(shortcut, out, 1, stride, 0);
    projection.relu = false;
    projection.input = from;
    spec.units.push_back(projection);
  }
  UnitSpec first = conv_unit(name + ".conv1", out, 3, stride, 1);
  first.input = from;
  spec.units.push_back(first);
  UnitSpec second = conv_unit(name + ".conv2", out, 3, 1, 1);
  second.add = shortcut;
  spec.units.push_back(second);
}

UnitSpec hidden_unit(const char* name, std::int64_t out, float dropout) {
  UnitSpec u;
  u.name = name;
  u.kind = UnitKind::linear;
  u.out = out;
  u.dropout = dropout;
  return u;
}

UnitSpec logits_unit(const char* name, std::int64_t classes) {
  UnitSpec u = hidden_unit(name, classes, 0.0f);
  u.batch_norm = false;
  u.relu = false;
  return u;
}

NetworkSpec make_network(const std::string& name, double width, std::int64_t classes) {
  if (!(width > 0.0 && width <= 64.0)) {
    throw Error("network " + name, "width " + std::to_string(width) + " is not in (0, 64]",
                "use for example 1 or 0.5", ExitCode::usage);
  }
  if (classes < 2) {
    throw Error("network " + name, std::to_string(classes) + " classes",
                "use data with at least two classes", ExitCode::usage);
  }
  for (const Entry& entry : kNetworks) {
    if (name == entry.name) return entry.make(width, classes);
  }
  std::string known;
  for (const Entry& entry : kNetworks)
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  throw Error("network " + name, "there is no network of this name", "use one of " + known,
              ExitCode::usage);
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kNetworks) names.emplace_back(entry.name);
  return names;
}

}  // namespace intandem
