// AlexNet for 224×224×3 images, one tower (Krizhevsky et al. 2012 without the groups), with batch
// normalization in place of local response normalization.
//
//   conv1 11×11/4 pad 2 → 55×55×96   pool 3/2 → 27×27×96        34,848 weights
//   conv2  5×5    pad 2 → 27×27×256  pool 3/2 → 13×13×256      614,400
//   conv3  3×3    pad 1 → 13×13×384                            884,736
//   conv4  3×3    pad 1 → 13×13×384                          1,327,104
//   conv5  3×3    pad 1 → 13×13×256  pool 3/2 → 6×6×256        884,736
//   fc6   9216 → 4096                                       37,748,736
//   fc7   4096 → 4096                                       16,777,216
//   fc8   4096 → 1000, bias                                  4,097,000
//
// With the 19,136 batch-norm scales and offsets, 62,387,912 parameters at width 1 and 1000 classes.
#include "nn/networks/networks.hpp"

namespace intandem {

NetworkSpec alexnet(double width, std::int64_t classes) {
  const auto k = [width](std::int64_t channels) { return scaled(channels, width); };
  const PoolSpec pool{3, 2};
  NetworkSpec spec{"alexnet", 224, 224, 3, classes, {}};
  spec.units = {
      conv_unit("conv1", k(96), 11, 4, 2, pool), conv_unit("conv2", k(256), 5, 1, 2, pool),
      conv_unit("conv3", k(384), 3, 1, 1),       conv_unit("conv4", k(384), 3, 1, 1),
      conv_unit("conv5", k(256), 3, 1, 1, pool), hidden_unit("fc6", k(4096), 0.5f),
      hidden_unit("fc7", k(4096), 0.5f),         logits_unit("fc8", classes),
  };
  return spec;
}

}  // namespace intandem
