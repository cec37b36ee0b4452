// From a photo of any size to the input of a network: what is cut out of it and how it is varied.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "data/resample.hpp"

namespace intandem {

/// fit: the largest centred rectangle of the input's shape (fit_image); training shifts it.
/// imagenet: the shorter side is resized to 8/7 of the input's (256 for 224) and the centre is
/// taken; training takes random_crop instead.
enum class Preprocessing { fit, imagenet };

/// "fit" and "imagenet". Usage error for another name, subject `where`.
Preprocessing preprocessing_from_name(const std::string& name, const std::string& where);
std::string preprocessing_name(Preprocessing preprocessing);
std::vector<std::string> preprocessing_names();

/// What a network takes.
struct InputFormat {
  std::int64_t height = 224, width = 224, channels = 3;
  Preprocessing preprocessing = Preprocessing::fit;

  std::int64_t size_bytes() const { return height * width * channels; }
};

struct CropBox {
  std::int64_t top = 0, left = 0, height = 0, width = 0;

  friend bool operator==(const CropBox&, const CropBox&) = default;
};

/// A rectangle of an H×W photo: 8 to 100 % of its area, width by height 3/4 to 4/3, log-uniform
/// ("Going deeper with convolutions", Szegedy et al. 2015, section 6; as torchvision's
/// RandomResizedCrop). If ten draws do not fit into the photo, its largest centred rectangle with a
/// ratio in these bounds. A function of H, W and the draws with counters 0 … 9 of rng, the same on
/// every machine.
CropBox random_crop(std::int64_t H, std::int64_t W, const Rng& rng);

/// photo u8 [H][W][input.channels] → destination u8 [input.height][input.width][input.channels],
/// for evaluation as `input` says; crop: for training, random_crop with these draws.
void cut_photo(const std::uint8_t* photo, std::int64_t H, std::int64_t W, const InputFormat& input,
               const Rng* crop, std::uint8_t* destination);

/// The mirror image of u8 [H][W][C], in place.
void mirror_image(std::uint8_t* image, std::int64_t H, std::int64_t W, std::int64_t C);

/// Colour jitter of u8 [pixels][C], C 1 or 3, in place: brightness p·f, then contrast
/// m + (p − m)·f with the mean luma m of the image, then (C = 3) saturation l + (p − l)·f with the
/// luma l of the pixel. Each f is uniform in 1 ± strength (words 0, 1, 2), a multiple of 2⁻¹⁶; all
/// in integers, rounded half up and clipped to 0 … 255. Luma is (19595·R + 38470·G + 7471·B) / 2¹⁶
/// (ITU-R BT.601, as in Pillow). strength 0 … 1.
void jitter_colours(std::uint8_t* image, std::int64_t pixels, std::int64_t C, double strength,
                    const std::array<std::uint32_t, 4>& words);

}  // namespace intandem
