// The networks by name, one page each. width multiplies hidden channel counts; see make_network.
#pragma once

#include "nn/network.hpp"

namespace intandem {

NetworkSpec alexnet(double width, std::int64_t classes);
NetworkSpec alexnet_cifar(double width, std::int64_t classes);
NetworkSpec cifar_alexnet_64(double width, std::int64_t classes);
NetworkSpec fashion_alexnet(double width, std::int64_t classes);
NetworkSpec mobilenet(double width, std::int64_t classes);
NetworkSpec mobilenet_cifar(double width, std::int64_t classes);
NetworkSpec resnet18(double width, std::int64_t classes);
NetworkSpec resnet18_cifar(double width, std::int64_t classes);
NetworkSpec resnet20(double width, std::int64_t classes);
NetworkSpec vgg_small(double width, std::int64_t classes);

/// channels·width rounded to the nearest multiple of 8, at least 8.
std::int64_t scaled(std::int64_t channels, double width);

struct PoolSpec {
  std::int64_t kernel = 0, stride = 0;
};

/// Convolution with batch norm and ReLU, then max-pool if given.
UnitSpec conv_unit(const std::string& name, std::int64_t out, std::int64_t kernel,
                   std::int64_t stride, std::int64_t pad, PoolSpec pool = {});
/// The mean of every channel over the whole image.
UnitSpec global_pool_unit(const char* name);
/// Two 3×3 convolutions with a shortcut around them (He et al. 2016): units NAME.conv1 and
/// NAME.conv2, before them NAME.shortcut, a 1×1 convolution without ReLU, if the shapes differ
/// (stride > 1 or `in` ≠ out channels). `from` names the unit that the block reads.
void add_basic_block(NetworkSpec& spec, const std::string& name, const std::string& from,
                     std::int64_t in, std::int64_t out, std::int64_t stride);
/// Linear layer with batch norm, ReLU and dropout.
UnitSpec hidden_unit(const char* name, std::int64_t out, float dropout);
/// The last layer: linear with bias, nothing after it.
UnitSpec logits_unit(const char* name, std::int64_t classes);

}  // namespace intandem
