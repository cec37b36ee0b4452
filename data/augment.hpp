// Random shifts and mirror images, drawn from counters and applied to raw pixels.
#pragma once

#include <cstdint>

#include "core/rng.hpp"

namespace intandem {

/// Augmentation in the pixel domain; what moves in from outside is the zero point.
struct Augment {
  int shift = 0;             ///< translate by −shift … shift pixels in y and x (pad-and-crop)
  bool flip = false;         ///< mirror left-right with probability ½
  bool random_crop = false;  ///< of photos (data/photo.hpp), instead of the shift
  double jitter = 0;         ///< strength of jitter_colours (data/photo.hpp), 0 … 1

  friend bool operator==(const Augment&, const Augment&) = default;
};

/// What is done to one image: output (y, x) is input (y + dy, x' + dx), x' = x or, flipped, W−1−x.
struct AugmentDraw {
  int dy = 0, dx = 0;
  bool flip = false;

  friend bool operator==(const AugmentDraw&, const AugmentDraw&) = default;
};

/// The draw for the image at `position` of an epoch: dy and dx uniform in −shift … shift.
AugmentDraw draw_augment(const Augment& augment, const Rng& rng, std::uint64_t position);

/// source, destination u8 [H][W][C], not overlapping. Pixels from outside are fill[C], the zero
/// point, which is 0 after normalization.
void augment_image(const std::uint8_t* source, std::int64_t H, std::int64_t W, std::int64_t C,
                   const AugmentDraw& draw, const std::uint8_t* fill, std::uint8_t* destination);

}  // namespace intandem
