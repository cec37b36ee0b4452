#include "data/packed.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "data/pack_source.hpp"
#include "data/stream.hpp"

namespace intandem {
namespace {

namespace fs = std::filesystem;
using Packs = std::vector<std::shared_ptr<const Pack>>;

Packs open_packs(const std::string& path) {
  std::vector<std::string> files;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
      if (entry.path().extension() == ".pack") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) throw Error(path, "holds no .pack files", kPackRemedy);
  } else {
    files.push_back(path);
  }
  Packs packs;
  for (const std::string& file : files) packs.push_back(std::make_shared<const Pack>(file));
  return packs;
}

std::vector<std::string> classes_of(const Packs& packs) {
  std::set<std::string> names;
  for (const auto& pack : packs) {
    names.insert(pack->index().class_names.begin(), pack->index().class_names.end());
  }
  return {names.begin(), names.end()};
}

/// Places, labels and checksum of one part.
struct Part {
  std::vector<PackPlace> places;
  std::vector<std::int32_t> labels;
};

Part part_of(const Packs& packs, int part, const std::vector<std::string>& classes,
             std::int64_t limit) {
  Part found;
  for (std::uint32_t p = 0; p < packs.size(); ++p) {
    const PackIndex& index = packs[p]->index();
    std::vector<std::int32_t> label_of;
    for (const std::string& name : index.class_names) {
      const auto at = std::lower_bound(classes.begin(), classes.end(), name);
      label_of.push_back(static_cast<std::int32_t>(at - classes.begin()));
    }
    for (std::uint32_t i = 0; i < index.entries.size(); ++i) {
      if (index.entries[i].part != part) continue;
      if (limit > 0 && static_cast<std::int64_t>(found.places.size()) >= limit) break;
      found.places.push_back({p, i});
      found.labels.push_back(label_of[static_cast<std::size_t>(index.entries[i].label)]);
    }
  }
  return found;
}

Dataset dataset_of(const Packs& packs, Part part, const LoadOptions& options,
                   const std::vector<std::string>& classes,
                   const std::shared_ptr<PhotoDecoder>& decoder) {
  Dataset data;
  data.name = "packed";
  data.classes = static_cast<std::int64_t>(classes.size());
  data.class_names = classes;
  Checksum sum;
  for (std::size_t i = 0; i < part.places.size(); ++i) {
    const PackPlace& place = part.places[i];
    const std::uint64_t numbers[] = {packs[place.pack]->index().entries[place.record].checksum,
                                     static_cast<std::uint64_t>(part.labels[i])};
    sum.absorb(numbers, sizeof numbers);
  }
  data.files_digest = sum.digits();
  data.labels = std::move(part.labels);
  data.members.resize(data.labels.size());
  std::iota(data.members.begin(), data.members.end(), 0);
  data.source = std::make_shared<PackSource>(
      packs, std::move(part.places),
      StreamOptions{options.input, options.memory_bytes, options.threads}, decoder);
  return data;
}

}  // namespace

TrainTest load_packed(const std::string& path, const LoadOptions& options) {
  const Packs packs = open_packs(path);
  const std::vector<std::string> classes = classes_of(packs);
  Part train;
  if (!options.test_only) train = part_of(packs, 0, classes, options.limit);
  Part test = part_of(packs, 1, classes, options.limit);
  if (train.labels.empty() && !options.test_only) {
    throw Error(path, "holds no training images", "pack a folder that has train/");
  }
  if (test.labels.empty()) throw Error(path, "holds no test images", "pack a folder that has val/");
  if (options.check) {
    options.check({static_cast<std::int64_t>(train.labels.size()),
                   static_cast<std::int64_t>(test.labels.size()),
                   static_cast<std::int64_t>(classes.size()), options.input.height,
                   options.input.width, options.input.channels, classes});
  }
  const auto decoder = std::make_shared<PhotoDecoder>(options.memory_bytes);
  TrainTest both;
  both.train = dataset_of(packs, std::move(train), options, classes, decoder);
  both.test = dataset_of(packs, std::move(test), options, classes, decoder);
  keep_in_memory_if_small(both, options);
  return both;
}

}  // namespace intandem
