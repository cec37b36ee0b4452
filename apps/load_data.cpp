#include "apps/load_data.hpp"

#include "core/error.hpp"

namespace intandem {

TrainTest load_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                    const NetworkSpec& spec) {
  LoadOptions options;
  options.limit = limit;
  options.height = spec.height;
  options.width = spec.width;
  options.channels = spec.channels;
  if (!directory.empty()) return load_dataset(dataset, directory, options);
  if (dataset != "fashion-mnist") {
    throw Error("--data-dir", "is needed for " + dataset, "give the directory of its files",
                ExitCode::usage);
  }
  return load_dataset(dataset, "/usr/share/datasets/fashion-mnist", options);
}

}  // namespace intandem
