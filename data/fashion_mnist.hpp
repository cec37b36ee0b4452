// Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 60,000 + 10,000 grey 28×28 images of ten garments.
#pragma once

#include <string>

#include "data/dataset.hpp"

namespace intandem {

/// Where the Debian package dataset-fashion-mnist puts it.
inline constexpr const char* kFashionMnistDirectory = "/usr/share/datasets/fashion-mnist";

/// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k files, each with or
/// without .gz. Of the options, limit, test_only and check apply. Errors as read_idx_dataset,
/// and if the images are not 28×28.
TrainTest load_fashion_mnist(const std::string& directory, const LoadOptions& options);

}  // namespace intandem
