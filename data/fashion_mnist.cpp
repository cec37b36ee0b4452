#include "data/fashion_mnist.hpp"

#include <filesystem>

#include "core/error.hpp"
#include "data/idx.hpp"

namespace intandem {
namespace {

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
  Dataset data = read_idx_dataset(images_path, path_of(directory, part + "-labels-idx1-ubyte"), 10,
                                  limit, kRemedy);
  const Shape& shape = data.images.shape();
  if (shape[1] != 28 || shape[2] != 28) {
    throw Error(images_path,
                "images are " + std::to_string(shape[1]) + "x" + std::to_string(shape[2]) +
                    " instead of 28x28",
                kRemedy);
  }
  data.name = "fashion-mnist";
  data.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  return data;
}

}  // namespace

TrainTest load_fashion_mnist(const std::string& directory, std::int64_t limit) {
  return {load_part(directory, "train", limit), load_part(directory, "t10k", limit)};
}

}  // namespace intandem
