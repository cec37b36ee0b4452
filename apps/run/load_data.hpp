// From the name of a dataset to its images, as large as a network wants them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "nn/network.hpp"

namespace intandem {

/// The directory a dataset is read from, absolute: `directory`, or if that is empty where the
/// dataset's Debian package puts it. Usage error if there is none.
std::string resolve_data_dir(const std::string& dataset, const std::string& directory);

/// Called with what is known of the data before it is read; throws to stop there.
using DataCheck = std::function<void(const DataCounts&)>;

/// directory empty: as resolve_data_dir. limit: images of each part, 0: all. Error, before anything
/// is read, if the images are not what `spec` takes; only its name and input size are used. What
/// was left out is noted on standard error.
TrainTest load_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                    const NetworkSpec& spec, const DataCheck& check = {});

/// The test part alone; class_names: the model's, where no training images tell the classes.
Dataset load_test_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                       const NetworkSpec& spec, const std::vector<std::string>& class_names);

/// The value of --network that leaves the choice to the dataset.
inline constexpr const char* kAnyNetwork = "auto";

/// `network`, or for kAnyNetwork the one made for the dataset. Usage error if there is none: images
/// must not be shrunk to a small grey network's size without a word.
std::string choose_network(const std::string& network, const std::string& dataset);

}  // namespace intandem
