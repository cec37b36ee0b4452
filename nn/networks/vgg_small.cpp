// VGG-small for 32×32×3 images, the network of many papers on quantization (LQ-Nets, Zhang et al.
// 2018): six convolutions and one linear layer.
//
//   conv1 3×3 → 32×32×128   conv2 3×3 → 32×32×128  pool 2/2
//   conv3 3×3 → 16×16×256   conv4 3×3 → 16×16×256  pool 2/2
//   conv5 3×3 →  8×8×512    conv6 3×3 →  8×8×512   pool 2/2 → 4×4×512
//   fc7 8192 → classes
//
// 607.6 million multiply-accumulates per image and 4,660,106 parameters at width 1 and 10 classes.
#include "nn/networks/networks.hpp"

namespace intandem {

NetworkSpec vgg_small(double width, std::int64_t classes) {
  const auto k = [width](std::int64_t channels) { return scaled(channels, width); };
  const PoolSpec pool{2, 2};
  NetworkSpec spec{"vgg-small", 32, 32, 3, classes, {}};
  spec.units = {
      conv_unit("conv1", k(128), 3, 1, 1), conv_unit("conv2", k(128), 3, 1, 1, pool),
      conv_unit("conv3", k(256), 3, 1, 1), conv_unit("conv4", k(256), 3, 1, 1, pool),
      conv_unit("conv5", k(512), 3, 1, 1), conv_unit("conv6", k(512), 3, 1, 1, pool),
      logits_unit("fc7", classes),
  };
  return spec;
}

}  // namespace intandem
