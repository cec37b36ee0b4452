// Mixtures of two images, for students that learn what the teacher makes of them.
#pragma once

#include <cstdint>

#include "core/rng.hpp"
#include "core/tensor.hpp"

namespace intandem {

/// Mixes about `share` (0 … 1) of N images, u8 [N][H][W][C], in place and in order, each with the
/// image half a batch further on, from the start again after the end: round(a·x + (1 − a)·y) for
/// every pixel, a uniform in ½ … 1, to the nearest 1/256, so that an image keeps its own label. The
/// second half thus meets images that may be mixtures already. Image i is drawn with counter
/// first + i of rng, first being the place of these images in their batch.
/// Mixup, Zhang et al. 2018, with the teacher's answer to the mixture as the target in place of
/// mixed labels, as in Beyer et al. 2022.
void mix_images(TensorU8& images, double share, const Rng& rng, std::int64_t first = 0);

}  // namespace intandem
