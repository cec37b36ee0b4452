// AlexNet cut down to 28×28×1 images (Fashion-MNIST): five convolutions and three linear layers,
// pools after the first, second and fifth as in the original. The network of `make demo`.
//
//   conv1 5×5 → 28×28×16  pool 2/2      conv4 3×3 → 7×7×64
//   conv2 3×3 → 14×14×32  pool 2/2      conv5 3×3 → 7×7×64  pool 3/2 → 3×3×64
//   conv3 3×3 →  7×7×64                 fc6 576 → 256, fc7 256 → 128, fc8 128 → classes
//
// 5.9 million multiply-accumulates per image forward at width 1: 2.1 TFLOP per training epoch of
// 60,000 images.
#include "nn/networks/networks.hpp"

namespace intandem {

NetworkSpec fashion_alexnet(double width, std::int64_t classes) {
  const auto k = [width](std::int64_t channels) { return scaled(channels, width); };
  NetworkSpec spec{"fashion-alexnet", 28, 28, 1, classes, {}};
  spec.units = {
      conv_unit("conv1", k(16), 5, 1, 2, {2, 2}), conv_unit("conv2", k(32), 3, 1, 1, {2, 2}),
      conv_unit("conv3", k(64), 3, 1, 1),         conv_unit("conv4", k(64), 3, 1, 1),
      conv_unit("conv5", k(64), 3, 1, 1, {3, 2}), hidden_unit("fc6", k(256), 0.2f),
      hidden_unit("fc7", k(128), 0.2f),           logits_unit("fc8", classes),
  };
  return spec;
}

}  // namespace intandem
