#include "data/mixup.hpp"

namespace intandem {

void mix_images(TensorU8& images, double share, const Rng& rng, std::int64_t first) {
  const std::int64_t N = images.dim(0);
  if (share <= 0.0 || N < 2) return;
  const std::int64_t size = images.size() / N;
  for (std::int64_t i = 0; i < N; ++i) {
    const auto words = rng.block(static_cast<std::uint64_t>(first + i));
    if (static_cast<double>(words[0]) >= share * 0x1p32) continue;
    const double a = 0.5 + 0.5 * (static_cast<double>(words[1]) * 0x1p-32);
    const auto own = static_cast<std::int32_t>(a * 256.0 + 0.5);
    const std::uint8_t* other = images.data() + (i + N / 2) % N * size;
    std::uint8_t* image = images.data() + i * size;
    for (std::int64_t j = 0; j < size; ++j) {
      image[j] = static_cast<std::uint8_t>((own * image[j] + (256 - own) * other[j] + 128) >> 8);
    }
  }
}

}  // namespace intandem
