#include "data/fashion_mnist.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "data/idx.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kClasses = 10, kSide = 28;
const std::vector<std::string> kNames = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                         "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                         "Bag",         "Ankle boot"};
constexpr const char* kRemedy =
    "check the directory given as --data-dir, or get its files again: Debian's package "
    "dataset-fashion-mnist, or data/fetch_fashion_mnist.sh DIRECTORY";

// The .gz file unless only the unpacked one exists.
std::string path_of(const std::string& directory, const std::string& stem) {
  const std::string plain = directory + "/" + stem;
  std::error_code ignored;
  if (!std::filesystem::exists(plain + ".gz", ignored) && std::filesystem::exists(plain, ignored)) {
    return plain;
  }
  return plain + ".gz";
}

Dataset load_part(const std::string& directory, const std::string& part, std::int64_t limit) {
  const std::string images_path = path_of(directory, part + "-images-idx3-ubyte");
  Dataset data = read_idx_dataset(images_path, path_of(directory, part + "-labels-idx1-ubyte"),
                                  kClasses, limit, kRemedy);
  const Shape& shape = data.images.shape();
  if (shape[1] != kSide || shape[2] != kSide) {
    throw Error(images_path,
                "images are " + std::to_string(shape[1]) + "x" + std::to_string(shape[2]) +
                    " instead of 28x28",
                kRemedy);
  }
  data.name = "fashion-mnist";
  data.class_names = kNames;
  return data;
}

}  // namespace

TrainTest load_fashion_mnist(const std::string& directory, const LoadOptions& options) {
  const std::int64_t limit = options.limit;
  const auto count = [&](const std::string& part) {
    const std::int64_t images =
        read_idx_count(path_of(directory, part + "-images-idx3-ubyte"), 3, kRemedy);
    return limit > 0 ? std::min(limit, images) : images;
  };
  const DataCounts counts{
      options.test_only ? 0 : count("train"), count("t10k"), kClasses, kSide, kSide, 1, kNames};
  if (options.check) options.check(counts);
  check_fits_memory(directory, counts);
  TrainTest both;
  if (!options.test_only) both.train = load_part(directory, "train", limit);
  both.test = load_part(directory, "t10k", limit);
  if (options.test_only) {
    both.train = both.test;
    both.train.images = TensorU8({0, kSide, kSide, 1});
    both.train.labels.clear();
  }
  return both;
}

}  // namespace intandem
