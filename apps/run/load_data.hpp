// From the name of a dataset to its images, as large as a network wants them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/settings/config.hpp"
#include "data/dataset.hpp"
#include "distill/model_info.hpp"
#include "nn/network.hpp"

namespace intandem {

/// The directory a dataset is read from, absolute: `directory`, or if that is empty where the
/// dataset's Debian package puts it. Usage error if there is none.
std::string resolve_data_dir(const std::string& dataset, const std::string& directory);

/// Called with what is known of the data before it is read; throws to stop there.
using DataCheck = std::function<void(const DataCounts&)>;

/// Which images, and how they are read.
struct DataRequest {
  std::string dataset;
  std::string directory;   ///< empty: as resolve_data_dir
  std::int64_t limit = 0;  ///< images of each part, 0: all
  Preprocessing preprocessing = Preprocessing::fit;
  bool skip_bad = false;
  double memory_gb = 1.0;    ///< for photos
  std::int64_t threads = 0;  ///< that decode photos ahead; 0: half of thread_count()
};

/// As the model was trained, from `directory`.
DataRequest request_of(const ModelInfo& model, const std::string& directory);

DataRequest request_of(const TrainConfig& config);

/// The augmentation that goes with a preprocessing: random crops take the place of shifts.
Augment augment_for(Preprocessing preprocessing, std::int64_t shift, bool flip, double jitter);

/// Says what becomes of photos, which may be less than they show.
void note_image_size(const NetworkSpec& spec, bool streamed);

/// Error, before anything is read, if the images are not what `spec` takes; only its name and input
/// size are used. What was left out is noted on standard error.
TrainTest load_data(const DataRequest& request, const NetworkSpec& spec,
                    const DataCheck& check = {});

/// The test part alone; class_names: the model's, where no training images tell the classes.
Dataset load_test_data(const DataRequest& request, const NetworkSpec& spec,
                       const std::vector<std::string>& class_names);

/// Whether a data set is one of photos, whose size is free.
bool has_photos(const std::string& dataset);

/// The value of --network that leaves the choice to the dataset.
inline constexpr const char* kAnyNetwork = "auto";

/// `network`, or for kAnyNetwork the one made for the dataset. Usage error if there is none: images
/// must not be shrunk to a small grey network's size without a word.
std::string choose_network(const std::string& network, const std::string& dataset);

}  // namespace intandem
