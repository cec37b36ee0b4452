// Batches in random order with augmentation, prepared by a thread ahead of the training step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/rng.hpp"
#include "data/dataset.hpp"

namespace intandem {

/// Augmentation in the pixel domain; what moves in from outside is the zero point.
struct Augment {
  int shift = 0;      ///< translate by −shift … shift pixels in y and x (pad-and-crop)
  bool flip = false;  ///< mirror left-right with probability ½
};

struct Batch {
  TensorU8 images;                   ///< [N][H][W][C], augmented
  std::vector<std::int32_t> labels;  ///< N
  std::int64_t index = 0;            ///< position in the epoch
};

/// One epoch of batches. Batch contents are a function of (data, seed, epoch, index) alone. The
/// last, smaller batch is dropped when drop_last (training), kept otherwise.
class Loader {
 public:
  struct Options {
    std::int64_t batch = 128;
    bool shuffle = true;
    bool drop_last = true;
    Augment augment;
    std::uint64_t seed = 0;
    std::int64_t first_batch = 0;  ///< start of the epoch to skip, when resuming inside one
  };

  /// `data` and `norm` must outlive the loader.
  Loader(const Dataset& data, const Normalization& norm, const Options& options,
         std::int64_t epoch);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::int64_t batch_count() const;
  /// The next batch, or false at the end of the epoch. Errors of the thread are rethrown here.
  bool next(Batch& batch);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace intandem
