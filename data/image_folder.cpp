#include "data/image_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/error.hpp"
#include "data/bad_files.hpp"
#include "data/fingerprint.hpp"
#include "data/folder_source.hpp"
#include "data/image_file.hpp"
#include "data/stream.hpp"

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
  const InputFormat& input = options.input;
  if (input.height >= 1 && input.height <= kMaxImageSide && input.width >= 1 &&
      input.width <= kMaxImageSide && (input.channels == 1 || input.channels == 3)) {
    return;
  }
  throw Error("image-folder",
              "cannot make images of " + std::to_string(input.height) + "x" +
                  std::to_string(input.width) + "x" + std::to_string(input.channels),
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

/// files[i], labels[i] for the i that `keep` says.
template <class F>
FolderListing filtered(const FolderListing& listing, const F& keep) {
  FolderListing rest;
  for (std::size_t i = 0; i < listing.files.size(); ++i) {
    if (!keep(i)) continue;
    const FileList& files = listing.files;
    rest.files.add(files.path(i), files.size_bytes(i), files.date_ns(i));
    rest.labels.push_back(listing.labels[i]);
  }
  return rest;
}

/// Opens every file, or remembers what came of it, and takes those out of the listing that are not
/// whole images.
void leave_out_bad(const std::string& part, FolderListing& listing, TrainTest& both) {
  const auto count = static_cast<std::int64_t>(listing.files.size());
  std::optional<BadFiles> bad = load_bad_files(part, listing.files);
  if (!bad && count > 0) bad = find_bad_files(part, listing.files);
  if (!bad || bad->indices.empty()) return;
  std::vector<bool> is_bad(listing.files.size(), false);
  for (std::size_t i = 0; i < bad->indices.size(); ++i) {
    is_bad[static_cast<std::size_t>(bad->indices[i])] = true;
    both.bad_files.push_back(bad->reasons[i]);
  }
  both.notes.push_back(part + ": left out " + std::to_string(bad->indices.size()) + " of " +
                       std::to_string(count) +
                       " files that cannot be decoded: " + first_few(bad->reasons));
  std::vector<std::string> missing = std::move(listing.missing);
  listing = filtered(listing, [&](std::size_t i) { return !is_bad[i]; });
  listing.missing = std::move(missing);
  if (listing.files.size() == 0) throw Error(part, "holds no image that is whole", kFolderRemedy);
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
  listing = filtered(listing, [&](std::size_t i) { return static_cast<std::int64_t>(i) < limit; });
}

/// What is known of a part before its images are opened.
Dataset part_of(const std::string& part, FolderListing listing, const LoadOptions& options,
                const std::vector<std::string>& class_names,
                const std::shared_ptr<PhotoDecoder>& decoder) {
  Dataset data;
  data.name = "image-folder";
  data.classes = static_cast<std::int64_t>(class_names.size());
  data.class_names = class_names;
  data.labels = std::move(listing.labels);
  data.members.resize(data.labels.size());
  std::iota(data.members.begin(), data.members.end(), 0);
  data.files_digest = files_digest(listing.files, data.labels);
  data.source = std::make_shared<FolderSource>(
      part, std::move(listing.files),
      StreamOptions{options.input, options.memory_bytes, options.threads}, decoder);
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
  if (test_files.files.size() == 0) throw Error(test, "holds no images", kFolderRemedy);
  add_notes(test, test_files, both.notes);
  if (options.skip_bad) {
    leave_out_bad(train, train_files, both);
    leave_out_bad(test, test_files, both);
  }
  keep_first(train_files, options.limit);
  keep_first(test_files, options.limit);

  if (options.check) {
    options.check({static_cast<std::int64_t>(train_files.files.size()),
                   static_cast<std::int64_t>(test_files.files.size()),
                   static_cast<std::int64_t>(classes.size()), options.input.height,
                   options.input.width, options.input.channels, classes});
  }
  const std::int64_t list_bytes =
      train_files.files.memory_bytes() + test_files.files.memory_bytes();
  const auto decoder = std::make_shared<PhotoDecoder>(options.memory_bytes -
                                                      std::min(options.memory_bytes, list_bytes));
  both.train = part_of(train, std::move(train_files), options, classes, decoder);
  both.test = part_of(test, std::move(test_files), options, classes, decoder);
  keep_in_memory_if_small(both, options);
  return both;
}

}  // namespace intandem
