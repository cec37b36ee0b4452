#include "apps/load_data.hpp"

#include <filesystem>

#include "core/error.hpp"

namespace intandem {
namespace {

std::string image_text(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return std::to_string(height) + "x" + std::to_string(width) + "x" + std::to_string(channels);
}

}  // namespace

std::string resolve_data_dir(const std::string& dataset, const std::string& directory) {
  if (directory.empty() && dataset != "fashion-mnist") {
    throw Error("--data-dir", "is needed for " + dataset, "give the directory of its files",
                ExitCode::usage);
  }
  if (directory.empty()) return "/usr/share/datasets/fashion-mnist";
  return std::filesystem::absolute(directory).lexically_normal().string();
}

TrainTest load_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                    const NetworkSpec& spec) {
  LoadOptions options;
  options.limit = limit;
  options.height = spec.height;
  options.width = spec.width;
  options.channels = spec.channels;
  TrainTest data = load_dataset(dataset, resolve_data_dir(dataset, directory), options);
  const Shape& images = data.train.images.shape();
  if (images[1] != spec.height || images[2] != spec.width || images[3] != spec.channels) {
    throw Error("network " + spec.name,
                "takes " + image_text(spec.height, spec.width, spec.channels) + " images, " +
                    dataset + " has " + image_text(images[1], images[2], images[3]),
                "choose the network and the dataset to match");
  }
  return data;
}

}  // namespace intandem
