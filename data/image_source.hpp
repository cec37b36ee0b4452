// Images that are read when they are needed, because all of them would not fit into memory.
#pragma once

#include <cstdint>

#include "core/rng.hpp"
#include "core/tensor.hpp"

namespace intandem {

class ImageSource {
 public:
  virtual ~ImageSource() = default;

  virtual std::int64_t size() const = 0;
  /// {H, W, C} of every image.
  virtual Shape image_shape() const = 0;
  /// Writes image `index` as evaluation sees it, or with `crop` a random part of it
  /// (data/photo.hpp), u8 [H][W][C]. The pixels depend on the arguments alone. Error naming the
  /// image if it cannot be read. Threads may read at the same time.
  virtual void read(std::int64_t index, const Rng* crop, std::uint8_t* destination) const = 0;
  /// How many threads are to read ahead.
  virtual int threads() const = 0;
  /// How much memory the batches that are read ahead may take.
  virtual std::int64_t read_ahead_bytes() const = 0;
};

}  // namespace intandem
