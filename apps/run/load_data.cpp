#include "apps/run/load_data.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "apps/run/processes.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
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
TrainTest load(const DataRequest& request, LoadOptions options, const NetworkSpec& spec,
               const DataCheck& check) {
  if (request.preprocessing != Preprocessing::fit && !has_photos(request.dataset)) {
    throw Error("--preprocessing",
                "is " + preprocessing_name(request.preprocessing) + ", and " + request.dataset +
                    " has images of one size and no photos",
                "leave it at fit", ExitCode::usage);
  }
  options.limit = request.limit;
  options.input = {spec.height, spec.width, spec.channels, request.preprocessing};
  options.skip_bad = request.skip_bad;
  options.memory_bytes = static_cast<std::int64_t>(request.memory_gb * 1e9);
  options.threads =
      request.threads > 0 ? static_cast<int>(request.threads) : std::max(1, thread_count() / 2);
  options.check = [&](const DataCounts& counts) {
    if (counts.height != spec.height || counts.width != spec.width ||
        counts.channels != spec.channels) {
      throw Error("network " + spec.name,
                  "takes " + image_text(spec.height, spec.width, spec.channels) + " images, " +
                      request.dataset + " has " +
                      image_text(counts.height, counts.width, counts.channels),
                  "choose the network and the dataset to match");
    }
    if (check) check(counts);
  };
  TrainTest data =
      load_dataset(request.dataset, resolve_data_dir(request.dataset, request.directory), options);
  for (const std::string& note : data.notes) print_note(note);
  return data;
}

}  // namespace

bool has_photos(const std::string& dataset) {
  return dataset == "image-folder" || dataset == "packed";
}

DataRequest request_of(const ModelInfo& model, const std::string& directory) {
  DataRequest request;
  request.dataset = model.dataset;
  request.directory = directory;
  request.limit = model.limit;
  request.preprocessing = model.preprocessing;
  request.skip_bad = model.skip_bad;
  return request;
}

DataRequest request_of(const TrainConfig& config) {
  DataRequest request;
  request.dataset = config.dataset;
  request.directory = config.data_dir;
  request.limit = config.limit;
  request.preprocessing = preprocessing_from_name(config.preprocessing, "--preprocessing");
  request.skip_bad = config.skip_bad;
  request.memory_gb = config.data_memory;
  request.threads = config.data_threads;
  return request;
}

Augment augment_for(Preprocessing preprocessing, std::int64_t shift, bool flip, double jitter) {
  Augment augment;
  augment.random_crop = preprocessing == Preprocessing::imagenet;
  augment.shift = augment.random_crop ? 0 : static_cast<int>(shift);
  augment.flip = flip;
  augment.jitter = jitter;
  return augment;
}

void note_image_size(const NetworkSpec& spec, bool streamed) {
  print_note("images are cropped and resized to " + std::to_string(spec.height) + "x" +
             std::to_string(spec.width) + (spec.channels == 1 ? " grey" : " colour") +
             ", the input of " + spec.name +
             (streamed ? "; they are decoded anew in every epoch" : ""));
}

TrainTest load_data(const DataRequest& request, const NetworkSpec& spec, const DataCheck& check) {
  return load(request, {}, spec, check);
}

Dataset load_test_data(const DataRequest& request, const NetworkSpec& spec,
                       const std::vector<std::string>& class_names) {
  LoadOptions options;
  options.test_only = true;
  options.class_names = class_names;
  return load(request, std::move(options), spec, {}).test;
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
