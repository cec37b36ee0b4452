// From the name of a dataset to its images, as large as a network wants them.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.hpp"
#include "nn/network.hpp"

namespace intandem {

/// The directory a dataset is read from, absolute: `directory`, or if that is empty where the
/// dataset's Debian package puts it. Usage error if there is none.
std::string resolve_data_dir(const std::string& dataset, const std::string& directory);

/// directory empty: where the dataset's Debian package puts it; usage error if there is none.
/// limit: images of each part, 0: all. Error if the images are not what `spec` takes; only its name
/// and input size are used.
TrainTest load_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                    const NetworkSpec& spec);

}  // namespace intandem
