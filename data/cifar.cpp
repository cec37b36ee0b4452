#include "data/cifar.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/error.hpp"
#include "data/fingerprint.hpp"
#include "data/gzip_reader.hpp"

namespace intandem {
namespace {

constexpr std::int64_t kSide = 32, kChannels = 3;
constexpr std::int64_t kPlane_bytes = kSide * kSide;
constexpr std::int64_t kImage_bytes = kPlane_bytes * kChannels;

struct Layout {
  const char* name;
  const char* folder;
  std::int64_t classes;
  std::int64_t label_bytes;  // the last of them is the label
  std::vector<std::string> train, test;
  std::string remedy;
};

Layout layout_of(CifarKind kind) {
  const std::string unpack = "unpack the binary version from https://www.cs.toronto.edu/~kriz/";
  if (kind == CifarKind::cifar10) {
    return {"cifar10",
            "cifar-10-batches-bin",
            10,
            1,
            {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
             "data_batch_5.bin"},
            {"test_batch.bin"},
            unpack + "cifar-10-binary.tar.gz"};
  }
  return {"cifar100",
          "cifar-100-binary",
          100,
          2,
          {"train.bin"},
          {"test.bin"},
          unpack + "cifar-100-binary.tar.gz"};
}

// Three planes to interleaved channels.
void interleave(const std::uint8_t* planes, std::uint8_t* image) {
  for (std::int64_t i = 0; i < kPlane_bytes; ++i) {
    for (std::int64_t c = 0; c < kChannels; ++c) {
      image[i * kChannels + c] = planes[c * kPlane_bytes + i];
    }
  }
}

std::int64_t record_count(const std::string& path, const Layout& layout) {
  const GzipReader file(path, layout.remedy);  // its errors for a file that is not there
  std::error_code ignored;
  const auto size_bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, ignored));
  const std::int64_t record_bytes = layout.label_bytes + kImage_bytes;
  if (size_bytes <= 0 || size_bytes % record_bytes != 0) {
    file.fail("its " + std::to_string(size_bytes) + " bytes are not whole records of " +
              std::to_string(record_bytes));
  }
  return size_bytes / record_bytes;
}

/// The files of a part, their records, and how many of those are wanted.
struct Part {
  std::vector<std::string> paths;
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
};

Part find_part(const std::string& directory, const std::vector<std::string>& files,
               const Layout& layout, std::int64_t limit) {
  Part part;
  for (const std::string& name : files) {
    part.paths.push_back(directory + "/" + name);
    part.counts.push_back(record_count(part.paths.back(), layout));
    part.total += part.counts.back();
  }
  if (limit > 0) part.total = std::min(part.total, limit);
  return part;
}

Dataset load_part(const Part& part, const Layout& layout) {
  Dataset data;
  data.name = layout.name;
  data.classes = layout.classes;
  data.images = TensorU8({part.total, kSide, kSide, kChannels});
  std::vector<std::uint8_t> record(static_cast<std::size_t>(layout.label_bytes + kImage_bytes));
  for (std::size_t f = 0; f < part.paths.size(); ++f) {
    GzipReader file(part.paths[f], layout.remedy);
    for (std::int64_t i = 0; i < part.counts[f] && data.size() < part.total; ++i) {
      file.read(record.data(), static_cast<std::int64_t>(record.size()),
                "record " + std::to_string(i));
      const std::int32_t label = record[static_cast<std::size_t>(layout.label_bytes - 1)];
      if (label >= layout.classes) {
        file.fail("label " + std::to_string(label) + " of record " + std::to_string(i) +
                  " is not below " + std::to_string(layout.classes) + ", the number of classes");
      }
      interleave(record.data() + layout.label_bytes,
                 data.images.data() + data.size() * kImage_bytes);
      data.labels.push_back(label);
    }
  }
  return data;
}

std::vector<std::string> class_names(CifarKind kind, const std::string& directory,
                                     const Layout& layout) {
  if (kind == CifarKind::cifar10) {
    return {"airplane", "automobile", "bird",  "cat",  "deer",
            "dog",      "frog",       "horse", "ship", "truck"};
  }
  const std::string path = directory + "/fine_label_names.txt";
  std::ifstream file(path);
  if (!file) throw Error(path, "cannot be opened", layout.remedy);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (static_cast<std::int64_t>(names.size()) != layout.classes) {
    throw Error(path,
                "has " + std::to_string(names.size()) + " names for " +
                    std::to_string(layout.classes) + " classes",
                layout.remedy);
  }
  check_class_names(names, path);
  return names;
}

}  // namespace

TrainTest load_cifar(CifarKind kind, const std::string& directory, const LoadOptions& options) {
  const Layout layout = layout_of(kind);
  std::error_code ignored;
  const std::string inner = directory + "/" + layout.folder;
  const std::string& place = std::filesystem::is_directory(inner, ignored) ? inner : directory;
  const std::vector<std::string> names = class_names(kind, place, layout);
  const Part train =
      options.test_only ? Part{} : find_part(place, layout.train, layout, options.limit);
  const Part test = find_part(place, layout.test, layout, options.limit);
  const DataCounts counts{train.total, test.total, layout.classes, kSide, kSide, kChannels, names};
  if (options.check) options.check(counts);
  check_fits_memory(place, counts);
  TrainTest both;
  both.train = load_part(train, layout);
  both.test = load_part(test, layout);
  both.train.class_names = both.test.class_names = names;
  return both;
}

}  // namespace intandem
