// MobileNetV1 (Howard et al. 2017): a 3×3 convolution, thirteen pairs of a depthwise 3×3 (dwN) and
// a pointwise convolution (pwN), global average pool, one linear layer.
//
//   pair      1   2    3   4    5   6    7 … 11   12    13
//   stride    1   2    1   2    1   2    1        2     1
//   channels  64  128  128 256  256 512  512      1024  1024
//
//   mobilenet        first stride 2; 224×224×3: 568.7 million multiply-accumulates, 4,231,976
//                    parameters at width 1 and 1000 classes (width 0.25: 41.0 million, 470,072)
//   mobilenet-cifar  first stride 1; 32×32×3: 46.4 million, 3,217,226 at width 1 and 10 classes
#include "nn/networks/networks.hpp"

namespace intandem {
namespace {

struct Pair {
  std::int64_t channels, stride;
};

constexpr Pair kPairs[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                           {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};

void add_layers(NetworkSpec& spec, std::int64_t first_stride, double width) {
  std::int64_t in = scaled(32, width);
  spec.units = {conv_unit("conv1", in, 3, first_stride, 1)};
  int index = 0;
  for (const Pair& pair : kPairs) {
    const std::string number = std::to_string(++index);
    UnitSpec depthwise = conv_unit("dw" + number, in, 3, pair.stride, 1);
    depthwise.groups = in;
    spec.units.push_back(depthwise);
    in = scaled(pair.channels, width);
    spec.units.push_back(conv_unit("pw" + number, in, 1, 1, 0));
  }
  spec.units.push_back(global_pool_unit("pool"));
  spec.units.push_back(logits_unit("fc", spec.classes));
}

}  // namespace

NetworkSpec mobilenet(double width, std::int64_t classes) {
  NetworkSpec spec{"mobilenet", 224, 224, 3, classes, {}};
  add_layers(spec, 2, width);
  return spec;
}

NetworkSpec mobilenet_cifar(double width, std::int64_t classes) {
  NetworkSpec spec{"mobilenet-cifar", 32, 32, 3, classes, {}};
  add_layers(spec, 1, width);
  return spec;
}

}  // namespace intandem
