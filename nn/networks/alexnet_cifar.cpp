// AlexNet for 32×32×3 images after the progressive-tandem-learning paper (arXiv 2007.01204):
// strides instead of pooling, one hidden linear layer.
//
//   conv1 3×3/1 → 32×32×96      conv4 3×3/1 → 8×8×384
//   conv2 3×3/2 → 16×16×256     conv5 3×3/2 → 4×4×256
//   conv3 3×3/2 →  8×8×384      fc6 4096 → 2048, fc7 2048 → classes
#include "nn/networks/networks.hpp"

namespace intandem {

NetworkSpec alexnet_cifar(double width, std::int64_t classes) {
  const auto k = [width](std::int64_t channels) { return scaled(channels, width); };
  NetworkSpec spec{"alexnet-cifar", 32, 32, 3, classes, {}};
  spec.units = {
      conv_unit("conv1", k(96), 3, 1, 1),  conv_unit("conv2", k(256), 3, 2, 1),
      conv_unit("conv3", k(384), 3, 2, 1), conv_unit("conv4", k(384), 3, 1, 1),
      conv_unit("conv5", k(256), 3, 2, 1), hidden_unit("fc6", k(2048), 0.5f),
      logits_unit("fc7", classes),
  };
  return spec;
}

}  // namespace intandem
