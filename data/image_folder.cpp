#include "data/image_folder.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "data/fingerprint.hpp"
#include "data/folder_listing.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamedInNote = 5;

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string first_few(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kNamedInNote; ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return names.size() > kNamedInNote ? text + ", ..." : text;
}

void check_size(const LoadOptions& options) {
  if (options.height >= 1 && options.height <= kMaxImageSide && options.width >= 1 &&
      options.width <= kMaxImageSide && (options.channels == 1 || options.channels == 3)) {
    return;
  }
  throw Error("image-folder",
              "cannot make images of " + std::to_string(options.height) + "x" +
                  std::to_string(options.width) + "x" + std::to_string(options.channels),
              "use sides of 1 ... 16384 pixels and 1 or 3 channels", ExitCode::usage);
}

/// The classes of the images to come: those of train/, or what stands in for them.
std::vector<std::string> find_classes(const std::string& train, const std::string& test,
                                      const LoadOptions& options) {
  if (is_folder(train) || !options.test_only) {
    if (!is_folder(train)) throw Error(train, "no such directory", kFolderRemedy);
    return class_folders(train);
  }
  const std::vector<std::string> folders = class_folders(test);
  const bool known = std::all_of(folders.begin(), folders.end(), [&](const std::string& name) {
    return std::find(options.class_names.begin(), options.class_names.end(), name) !=
           options.class_names.end();
  });
  return known && !options.class_names.empty() ? options.class_names : folders;
}

void add_notes(const std::string& part, const FolderListing& listing,
               std::vector<std::string>& notes) {
  if (!listing.skipped.empty()) {
    std::vector<std::string> names;
    for (const std::string& path : listing.skipped) names.push_back(path.substr(part.size() + 1));
    notes.push_back(
        part + ": left out " + std::to_string(names.size()) +
        (names.size() == 1 ? " entry that is no image: " : " entries that are no image: ") +
        first_few(names));
  }
  if (!listing.missing.empty()) {
    notes.push_back(part + ": no images of " + std::to_string(listing.missing.size()) +
                    (listing.missing.size() == 1 ? " class: " : " classes: ") +
                    first_few(listing.missing));
  }
}

void keep_first(FolderListing& listing, std::int64_t limit) {
  if (limit <= 0 || static_cast<std::int64_t>(listing.files.size()) <= limit) return;
  listing.files.resize(static_cast<std::size_t>(limit));
}

Dataset decode(const FolderListing& listing, const std::vector<std::string>& class_names,
               const LoadOptions& options) {
  const auto count = static_cast<std::int64_t>(listing.files.size());
  Dataset data;
  data.name = "image-folder";
  data.classes = static_cast<std::int64_t>(class_names.size());
  data.class_names = class_names;
  data.images = TensorU8({count, options.height, options.width, options.channels});
  const std::int64_t image_bytes = options.height * options.width * options.channels;
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::string& path = listing.files[static_cast<std::size_t>(i)].path;
      const TensorU8 image =
          fit_image(read_image(path, options.channels), options.height, options.width);
      std::copy_n(image.data(), image_bytes, data.images.data() + i * image_bytes);
    }
  });
  for (const FolderListing::File& file : listing.files) data.labels.push_back(file.label);
  return data;
}

}  // namespace

TrainTest load_image_folder(const std::string& directory, const LoadOptions& options) {
  check_size(options);
  const std::string train = directory + "/train", val = directory + "/val";
  const bool has_test = is_folder(directory + "/test");
  const std::string test = !is_folder(val) && has_test ? directory + "/test" : val;
  TrainTest both;
  if (test == val && has_test) {
    both.notes.push_back(directory + ": has val/ and test/; val/ is used");
  }
  const std::vector<std::string> classes = find_classes(train, test, options);
  if (classes.empty()) throw Error(train, "has no class folders", kFolderRemedy);
  check_class_names(classes, directory);
  FolderListing train_files, test_files;
  if (!options.test_only) {
    train_files = list_folder(train, classes);
    if (!train_files.missing.empty()) {
      throw Error(train + "/" + train_files.missing.front(), "holds no images", kFolderRemedy);
    }
    add_notes(train, train_files, both.notes);
  }
  if (!is_folder(test)) throw Error(test, "no such directory", kFolderRemedy);
  test_files = list_folder(test, classes);
  if (test_files.files.empty()) throw Error(test, "holds no images", kFolderRemedy);
  add_notes(test, test_files, both.notes);
  keep_first(train_files, options.limit);
  keep_first(test_files, options.limit);

  const auto train_images = static_cast<std::int64_t>(train_files.files.size());
  const auto test_images = static_cast<std::int64_t>(test_files.files.size());
  const DataCounts counts{train_images,   test_images,   static_cast<std::int64_t>(classes.size()),
                          options.height, options.width, options.channels,
                          classes};
  if (options.check) options.check(counts);
  check_fits_memory(directory, counts);
  both.train = decode(train_files, classes, options);
  both.test = decode(test_files, classes, options);
  return both;
}

}  // namespace intandem
