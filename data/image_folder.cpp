#include "data/image_folder.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "data/fingerprint.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy = "arrange the images as train|val/<class>/*.{jpg,jpeg,png}";

// Names of the entries of a directory in byte order, hidden ones left out.
std::vector<std::string> list_directory(const std::string& directory, bool folders) {
  std::vector<std::string> names;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      if (!name.empty() && name[0] == '.') continue;
      if (entry.is_directory() != folders) {
        throw Error(entry.path().string(), folders ? "is not a class folder" : "is not an image",
                    kRemedy);
      }
      names.push_back(name);
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(directory, "cannot be read (" + error.code().message() + ")", kRemedy);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_extension(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension != ".jpg" && extension != ".jpeg" && extension != ".png") {
    throw Error(path, "is not a .jpg, .jpeg or .png file", "remove it or convert it");
  }
}

struct LabelledFile {
  std::size_t rank = 0;  // position within its class
  std::int32_t label = 0;
  std::string path;
};

std::vector<LabelledFile> list_files(const std::string& directory,
                                     const std::vector<std::string>& class_names) {
  std::vector<LabelledFile> files;
  for (const std::string& folder : list_directory(directory, true)) {
    const auto found = std::find(class_names.begin(), class_names.end(), folder);
    const std::string path = directory + "/" + folder;
    if (found == class_names.end()) {
      throw Error(path, "is not one of the classes of the training images", kRemedy);
    }
    const std::vector<std::string> names = list_directory(path, false);
    if (names.empty()) throw Error(path, "holds no images", kRemedy);
    for (std::size_t rank = 0; rank < names.size(); ++rank) {
      files.push_back(
          {rank, static_cast<std::int32_t>(found - class_names.begin()), path + "/" + names[rank]});
      check_extension(files.back().path);
    }
  }
  std::sort(files.begin(), files.end(), [](const LabelledFile& a, const LabelledFile& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.label < b.label;
  });
  return files;
}

void check_fits_memory(const std::string& directory, std::int64_t images,
                       const LoadOptions& options) {
  const double need_bytes = static_cast<double>(images) *
                            static_cast<double>(options.height * options.width) *
                            static_cast<double>(options.channels);
  const double have_bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (need_bytes < have_bytes) return;
  throw Error(directory,
              std::to_string(images) + " images take " +
                  std::to_string(static_cast<std::int64_t>(need_bytes / 1e9)) +
                  " GB, more than this machine's memory",
              "use fewer images (a limit) or a smaller size");
}

}  // namespace

Dataset load_image_folder_part(const std::string& directory, std::vector<std::string> class_names,
                               const LoadOptions& options) {
  if (options.height < 1 || options.height > kMaxImageSide || options.width < 1 ||
      options.width > kMaxImageSide || (options.channels != 1 && options.channels != 3)) {
    throw Error("image-folder",
                "cannot make images of " + std::to_string(options.height) + "x" +
                    std::to_string(options.width) + "x" + std::to_string(options.channels),
                "use sides of 1 ... 16384 pixels and 1 or 3 channels", ExitCode::usage);
  }
  if (!fs::is_directory(directory)) throw Error(directory, "no such directory", kRemedy);
  if (class_names.empty()) class_names = list_directory(directory, true);
  if (class_names.empty()) throw Error(directory, "has no class folders", kRemedy);
  check_class_names(class_names, directory);
  std::vector<LabelledFile> files = list_files(directory, class_names);
  if (options.limit > 0 && static_cast<std::int64_t>(files.size()) > options.limit) {
    files.resize(static_cast<std::size_t>(options.limit));
  }
  const auto count = static_cast<std::int64_t>(files.size());
  check_fits_memory(directory, count, options);

  Dataset data;
  data.name = "image-folder";
  data.classes = static_cast<std::int64_t>(class_names.size());
  data.class_names = std::move(class_names);
  data.images = TensorU8({count, options.height, options.width, options.channels});
  const std::int64_t image_bytes = options.height * options.width * options.channels;
  parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const LabelledFile& file = files[static_cast<std::size_t>(i)];
      const TensorU8 image =
          fit_image(read_image(file.path, options.channels), options.height, options.width);
      std::copy_n(image.data(), image_bytes, data.images.data() + i * image_bytes);
    }
  });
  for (const LabelledFile& file : files) data.labels.push_back(file.label);
  return data;
}

TrainTest load_image_folder(const std::string& directory, const LoadOptions& options) {
  TrainTest both;
  both.train = load_image_folder_part(directory + "/train", {}, options);
  const bool named_test =
      !fs::is_directory(directory + "/val") && fs::is_directory(directory + "/test");
  both.test = load_image_folder_part(directory + (named_test ? "/test" : "/val"),
                                     both.train.class_names, options);
  return both;
}

}  // namespace intandem
