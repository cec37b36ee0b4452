#include "apps/run/load_data.hpp"

#include <cstdio>
#include <filesystem>

#include "apps/run/processes.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

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

namespace {

/// Prints what the loader found worth saying; checks the size of the images before they are read.
TrainTest load(const std::string& dataset, const std::string& directory, LoadOptions options,
               const NetworkSpec& spec, const DataCheck& check) {
  options.height = spec.height;
  options.width = spec.width;
  options.channels = spec.channels;
  options.check = [&](const DataCounts& counts) {
    if (counts.height != spec.height || counts.width != spec.width ||
        counts.channels != spec.channels) {
      throw Error("network " + spec.name,
                  "takes " + image_text(spec.height, spec.width, spec.channels) + " images, " +
                      dataset + " has " + image_text(counts.height, counts.width, counts.channels),
                  "choose the network and the dataset to match");
    }
    if (check) check(counts);
  };
  TrainTest data = load_dataset(dataset, resolve_data_dir(dataset, directory), options);
  for (const std::string& note : data.notes) print_note(note);
  return data;
}

}  // namespace

TrainTest load_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                    const NetworkSpec& spec, const DataCheck& check) {
  LoadOptions options;
  options.limit = limit;
  return load(dataset, directory, options, spec, check);
}

Dataset load_test_data(const std::string& dataset, const std::string& directory, std::int64_t limit,
                       const NetworkSpec& spec, const std::vector<std::string>& class_names) {
  LoadOptions options;
  options.limit = limit;
  options.test_only = true;
  options.class_names = class_names;
  return load(dataset, directory, options, spec, {}).test;
}

std::string choose_network(const std::string& network, const std::string& dataset) {
  if (network != kAnyNetwork) return network;
  if (dataset == "fashion-mnist") return "fashion-alexnet";
  std::string known;
  for (const std::string& name : network_names()) {
    const NetworkSpec spec = make_network(name, 1.0, 10);
    known += (known.empty() ? "" : ", ") + name + " (" +
             image_text(spec.height, spec.width, spec.channels) + ")";
  }
  throw Error("--network", "is needed for " + dataset, "use one of " + known, ExitCode::usage);
}

}  // namespace intandem
