#include "data/photo.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

constexpr double kLeastArea = 0.08;
constexpr int kTries = 10;
// The longer way round 256 : 224.
constexpr std::int64_t kResize = 8, kCrop = 7;

/// e^x for |x| ≤ 0.15 to 10⁻⁷ (Padé, 2/2): exp() of the C library differs between machines.
double small_exp(double x) {
  const double even = 1.0 + x * x / 12.0, odd = x / 2.0;
  return (even + odd) / (even - odd);
}

std::int64_t round_up_half(double x) { return static_cast<std::int64_t>(std::floor(x + 0.5)); }

CropBox centred(std::int64_t H, std::int64_t W, std::int64_t height, std::int64_t width) {
  return {(H - height) / 2, (W - width) / 2, height, width};
}

/// Half of an excess, ties to even, as torchvision's CenterCrop has it.
std::int64_t margin(std::int64_t excess) {
  const std::int64_t half = excess / 2;
  return excess % 2 == 0 || half % 2 == 0 ? half : half + 1;
}

/// The shorter side, in the input's proportions, becomes 8/7 of the input's.
ResampleTo centre_of_resized(std::int64_t H, std::int64_t W, std::int64_t height,
                             std::int64_t width) {
  const std::int64_t cover_h = (2 * height * kResize + kCrop) / (2 * kCrop);
  const std::int64_t cover_w = (2 * width * kResize + kCrop) / (2 * kCrop);
  ResampleTo to;
  const bool by_height = H * cover_w <= W * cover_h;
  to.height = by_height ? cover_h : cover_w * H / W;
  to.width = by_height ? cover_h * W / H : cover_w;
  to.rows = {margin(to.height - height), height};
  to.columns = {margin(to.width - width), width};
  return to;
}

std::int32_t luma(const std::uint8_t* rgb) {
  return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + (1 << 15)) >> 16;
}

}  // namespace

std::vector<std::string> preprocessing_names() { return {"fit", "imagenet"}; }

std::string preprocessing_name(Preprocessing preprocessing) {
  return preprocessing_names()[static_cast<std::size_t>(preprocessing)];
}

Preprocessing preprocessing_from_name(const std::string& name, const std::string& where) {
  if (name == "fit") return Preprocessing::fit;
  if (name == "imagenet") return Preprocessing::imagenet;
  throw Error(where, "unknown preprocessing '" + name + "'", "use fit or imagenet",
              ExitCode::usage);
}

CropBox random_crop(std::int64_t H, std::int64_t W, const Rng& rng) {
  const double least_ratio = 3.0 / 4.0, half_log_ratio = 0.14384103622589046;  // ln(4/3)/2
  const double area = static_cast<double>(H) * static_cast<double>(W);
  for (std::uint64_t i = 0; i < kTries; ++i) {
    const auto words = rng.block(i);
    const double share = kLeastArea + (1.0 - kLeastArea) * (words[0] * 0x1p-32);
    const double stretch = small_exp((words[1] * 0x1p-31 - 1.0) * half_log_ratio);
    const double side = std::sqrt(area * share);
    const std::int64_t width = round_up_half(side * stretch);
    const std::int64_t height = round_up_half(side / stretch);
    if (width < 1 || width > W || height < 1 || height > H) continue;
    const auto below = [](std::uint32_t word, std::int64_t bound) {
      return static_cast<std::int64_t>((word * static_cast<std::uint64_t>(bound)) >> 32);
    };
    return {below(words[2], H - height + 1), below(words[3], W - width + 1), height, width};
  }
  const auto h = static_cast<double>(H), w = static_cast<double>(W);
  if (w < h * least_ratio) return centred(H, W, std::min(H, round_up_half(w / least_ratio)), W);
  if (w * least_ratio > h) return centred(H, W, H, std::min(W, round_up_half(h / least_ratio)));
  return {0, 0, H, W};
}

void cut_photo(const std::uint8_t* photo, std::int64_t H, std::int64_t W, const InputFormat& input,
               const Rng* crop, std::uint8_t* destination) {
  const std::int64_t C = input.channels;
  if (crop != nullptr) {
    const CropBox box = random_crop(H, W, *crop);
    resample(photo + (box.top * W + box.left) * C, W * C, box.height, box.width, C,
             ResampleTo::whole(input.height, input.width), destination);
  } else if (input.preprocessing == Preprocessing::imagenet) {
    resample(photo, W * C, H, W, C, centre_of_resized(H, W, input.height, input.width),
             destination);
  } else {
    fit_image(photo, H, W, C, input.height, input.width, destination);
  }
}

void mirror_image(std::uint8_t* image, std::int64_t H, std::int64_t W, std::int64_t C) {
  for (std::int64_t y = 0; y < H; ++y, image += W * C) {
    for (std::int64_t x = 0; x < W / 2; ++x) {
      std::swap_ranges(image + x * C, image + (x + 1) * C, image + (W - 1 - x) * C);
    }
  }
}

void jitter_colours(std::uint8_t* image, std::int64_t pixels, std::int64_t C, double strength,
                    const std::array<std::uint32_t, 4>& words) {
  INTANDEM_CHECK((C == 1 || C == 3) && strength >= 0 && strength <= 1, "colour jitter");
  constexpr std::int64_t kOne = 1 << 16;
  const std::int64_t range = std::llround(strength * static_cast<double>(kOne));
  const auto factor = [&](std::size_t k) {
    return kOne - range +
           static_cast<std::int64_t>((words[k] * static_cast<std::uint64_t>(2 * range + 1)) >> 32);
  };
  const std::int64_t brightness = factor(0), contrast = factor(1), saturation = factor(2);
  const auto away = [&](std::int64_t from, std::int64_t p, std::int64_t f) {
    return static_cast<std::uint8_t>(
        std::clamp<std::int64_t>(from + (((p - from) * f + kOne / 2) >> 16), 0, 255));
  };
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < pixels; ++i) {
    std::uint8_t* p = image + i * C;
    for (std::int64_t c = 0; c < C; ++c) p[c] = away(0, p[c], brightness);
    sum += C == 1 ? p[0] : luma(p);
  }
  const std::int64_t mean = (2 * sum + pixels) / std::max<std::int64_t>(1, 2 * pixels);
  for (std::int64_t i = 0; i < pixels; ++i) {
    std::uint8_t* p = image + i * C;
    for (std::int64_t c = 0; c < C; ++c) p[c] = away(mean, p[c], contrast);
    if (C == 1) continue;
    const std::int64_t grey = luma(p);
    for (std::int64_t c = 0; c < C; ++c) p[c] = away(grey, p[c], saturation);
  }
}

}  // namespace intandem
