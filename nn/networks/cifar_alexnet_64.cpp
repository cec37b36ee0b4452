// The widely used small AlexNet for 32×32×3 images; the benchmark network of the float engine.
//
//   conv1 3×3 → 32×32×64   pool 2/2     conv4 3×3 → 8×8×256
//   conv2 3×3 → 16×16×192  pool 2/2     conv5 3×3 → 8×8×256  pool 2/2 → 4×4×256
//   conv3 3×3 →  8×8×384                fc6 4096 → 1024, fc7 1024 → 512, fc8 512 → classes
//
// 171.7 million multiply-accumulates per image forward at width 1 and 10 classes.
#include "nn/networks/networks.hpp"

namespace intandem {

NetworkSpec cifar_alexnet_64(double width, std::int64_t classes) {
  const auto k = [width](std::int64_t channels) { return scaled(channels, width); };
  const PoolSpec pool{2, 2};
  NetworkSpec spec{"cifar-alexnet-64", 32, 32, 3, classes, {}};
  spec.units = {
      conv_unit("conv1", k(64), 3, 1, 1, pool),  conv_unit("conv2", k(192), 3, 1, 1, pool),
      conv_unit("conv3", k(384), 3, 1, 1),       conv_unit("conv4", k(256), 3, 1, 1),
      conv_unit("conv5", k(256), 3, 1, 1, pool), hidden_unit("fc6", k(1024), 0.5f),
      hidden_unit("fc7", k(512), 0.5f),          logits_unit("fc8", classes),
  };
  return spec;
}

}  // namespace intandem
