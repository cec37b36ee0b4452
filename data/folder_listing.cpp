#include "data/folder_listing.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

namespace fs = std::filesystem;

/// Folders inside a class folder; links that lead in a circle end here.
constexpr int kMaxDepth = 8;
constexpr const char* kArchiveLeftOver = "__MACOSX";

struct Entry {
  std::string name;
  bool is_folder = false;
};

/// In byte order, hidden ones left out.
std::vector<Entry> entries_of(const std::string& directory) {
  std::vector<Entry> entries;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      const std::string name = entry.path().filename().string();
      if (name.empty() || name[0] == '.') continue;
      std::error_code ignored;
      entries.push_back({name, entry.is_directory(ignored)});
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(directory, "cannot be read (" + error.code().message() + ")", kFolderRemedy);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

bool has_image_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" ||
         extension == ".bmp" || extension == ".gif";
}

/// By name, or where the name says nothing by the first bytes.
bool is_image_file(const std::string& path) {
  if (has_image_name(path)) return true;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  char start[16] = {};
  std::ifstream file(path, std::ios::binary);
  file.read(start, sizeof start);
  return is_image({start, static_cast<std::size_t>(file.gcount())});
}

void collect(const std::string& folder, int depth, std::vector<std::string>& images,
             std::vector<std::string>& skipped) {
  if (depth > kMaxDepth) {
    throw Error(folder, "lies more than 8 folders deep in its class", kFolderRemedy);
  }
  for (const Entry& entry : entries_of(folder)) {
    const std::string path = folder + "/" + entry.name;
    if (entry.is_folder && entry.name != kArchiveLeftOver) {
      collect(path, depth + 1, images, skipped);
    } else {
      (!entry.is_folder && is_image_file(path) ? images : skipped).push_back(path);
    }
  }
}

}  // namespace

std::vector<std::string> class_folders(const std::string& part) {
  std::vector<std::string> names;
  for (const Entry& entry : entries_of(part)) {
    if (entry.is_folder && entry.name != kArchiveLeftOver) names.push_back(entry.name);
  }
  return names;
}

FolderListing list_folder(const std::string& part, const std::vector<std::string>& class_names) {
  FolderListing listing;
  std::vector<bool> found(class_names.size(), false);
  for (const Entry& entry : entries_of(part)) {
    const std::string path = part + "/" + entry.name;
    if (!entry.is_folder || entry.name == kArchiveLeftOver) {
      if (!entry.is_folder && is_image_file(path)) {
        throw Error(path, "is an image outside of the class folders", kFolderRemedy);
      }
      listing.skipped.push_back(path);
      continue;
    }
    std::vector<std::string> images;
    collect(path, 0, images, listing.skipped);
    const auto at = std::find(class_names.begin(), class_names.end(), entry.name);
    if (at == class_names.end()) {
      if (!images.empty()) {
        throw Error(path, "is not one of the classes of the training images", kFolderRemedy);
      }
      listing.skipped.push_back(path);
      continue;
    }
    const auto label = static_cast<std::size_t>(at - class_names.begin());
    found[label] = !images.empty();
    for (std::size_t rank = 0; rank < images.size(); ++rank) {
      listing.files.push_back({rank, static_cast<std::int32_t>(label), images[rank]});
    }
  }
  for (std::size_t label = 0; label < found.size(); ++label) {
    if (!found[label]) listing.missing.push_back(class_names[label]);
  }
  std::sort(listing.files.begin(), listing.files.end(), [](const auto& a, const auto& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.label < b.label;
  });
  return listing;
}

}  // namespace intandem
