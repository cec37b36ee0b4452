// Batches in random order with augmentation, prepared by threads ahead of the training step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.hpp"
#include "data/dataset.hpp"

namespace intandem {

struct Batch {
  TensorU8 images;                   ///< [N][H][W][C], augmented; of the slice asked for
  std::vector<std::int32_t> labels;  ///< N
  std::int64_t index = 0;            ///< position in the epoch
  std::int64_t first = 0;            ///< position of its first image in the whole batch
};

/// Usage error, naming the data set, if `images` are less than one batch.
void check_batch(const std::string& dataset, std::int64_t images, std::int64_t batch);

/// One epoch of batches. Batch contents are a function of (data, options, epoch, index) alone: the
/// image order is one permutation per (seed, epoch), the augmentation of the image at position i of
/// the epoch is drawn with counter i, whatever the batch size; random crops and what goes with them
/// follow from (seed, epoch, number of the image in its source). The last, smaller batch is dropped
/// when drop_last (training), kept otherwise. Images of a source are read by its number of threads,
/// ahead by what its memory allows; which thread reads what changes nothing.
class Loader {
 public:
  struct Options {
    std::int64_t batch = 128;
    bool shuffle = true;
    bool drop_last = true;
    Augment augment;
    std::uint64_t seed = 0;
    std::int64_t first_batch = 0;  ///< start of the epoch to skip, when resuming inside one
    /// The part of every batch that is wanted: images slice_first … slice_first + slice_count − 1
    /// of it, fewer or none where the last batch is smaller. A process of several makes its share
    /// of the same batches with it; −1: all to the end.
    std::int64_t slice_first = 0, slice_count = -1;
  };

  /// `data` and `norm` must outlive the loader. Error if the batch size is not positive, larger
  /// than the data with drop_last (there would be nothing to train on), a shift does not fit, or
  /// random crops are asked of images in memory.
  Loader(const Dataset& data, const Normalization& norm, const Options& options,
         std::int64_t epoch);
  /// Stops the threads; waits for at most what they are working on.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Batches of the whole epoch, skipped ones included.
  std::int64_t batch_count() const;
  /// The next batch, or false at the end of the epoch. Errors of the threads are rethrown here, in
  /// place of the batch they spoilt (its first image's) and at every later call. One caller at a
  /// time.
  bool next(Batch& batch);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace intandem
