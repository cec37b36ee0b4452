// Where a model comes from: what every teacher, student and integer model carries along so that it
// can be evaluated and reproduced without asking anybody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/fingerprint.hpp"
#include "data/loader.hpp"

namespace intandem {

class Container;

/// Origin of a model. Stored as metadata "dataset", "data_dir", "data_labels", "data_pixels",
/// "class_names" (one per line), "seed", "held_out", "limit", "shift", "flip", "commit", of photos
/// also "data_files", "preprocessing", "random_crop", "colour_jitter" (millionths) and "skip_bad",
/// and tensors "normalization/…".
struct ModelInfo {
  std::string dataset;                   ///< name for load_dataset
  std::string data_dir;                  ///< absolute; empty: not recorded (older files)
  Fingerprint data;                      ///< of the training part, held-out images included
  std::vector<std::string> class_names;  ///< one per class
  Normalization norm;                    ///< of the training images
  std::uint64_t seed = 0;                ///< seed of the run; the held-out split follows from it
  std::int64_t held_out = 0;             ///< training images set aside
  std::int64_t limit = 0;                ///< images used of each part, 0: all
  Augment augment;                       ///< augmentation the teacher was trained with
  Preprocessing preprocessing = Preprocessing::fit;  ///< how photos become its input
  bool skip_bad = false;  ///< photos that cannot be decoded were left out
  std::string commit;     ///< version of the program
};

/// "data_labels", "data_pixels" and "data_files", also in checkpoints; an empty fingerprint from
/// files without.
void store_fingerprint(const Fingerprint& data, Container& file);
Fingerprint load_fingerprint(const Container& file);

void store_info(const ModelInfo& info, Container& file);
/// Error, naming the file, if something is missing or out of range.
ModelInfo load_info(const Container& file);

}  // namespace intandem
