#include "data/folder_listing.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "data/folder_walk.hpp"

namespace intandem {

void FileList::add(std::string_view path, std::int64_t size_bytes, std::int64_t date_ns) {
  paths_ += path;
  ends_.push_back(paths_.size());
  sizes_.push_back(size_bytes);
  dates_ns_.push_back(date_ns);
}

std::int64_t FileList::memory_bytes() const {
  return static_cast<std::int64_t>(paths_.capacity() + ends_.capacity() * sizeof(std::size_t) +
                                   (sizes_.capacity() + dates_ns_.capacity()) * sizeof(sizes_[0]));
}

std::vector<std::string> class_folders(const std::string& part) {
  std::vector<std::string> names;
  for (const FolderEntry& entry : entries_of(part)) {
    if (entry.is_folder && entry.name != kArchiveLeftOver) names.push_back(entry.name);
  }
  return names;
}

FolderListing list_folder(const std::string& part, const std::vector<std::string>& class_names) {
  const FolderWalk walk = walk_folder(part);
  FolderListing listing;
  std::map<std::string_view, std::int32_t> label_of;
  for (const std::string& name : class_names) {
    label_of.emplace(name, static_cast<std::int32_t>(label_of.size()));
  }
  struct Place {
    std::size_t rank;  ///< position within its class
    std::int32_t label;
    std::size_t index;
  };
  std::vector<Place> places;
  std::vector<std::size_t> count(class_names.size(), 0);
  for (std::size_t i = 0; i < walk.images.size(); ++i) {
    const std::string_view path = walk.images.path(i);
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) {
      throw Error(part + "/" + std::string(path), "is an image outside of the class folders",
                  kFolderRemedy);
    }
    const auto found = label_of.find(path.substr(0, slash));
    if (found == label_of.end()) {
      throw Error(part + "/" + std::string(path.substr(0, slash)),
                  "is not one of the classes of the training images", kFolderRemedy);
    }
    const std::int32_t label = found->second;
    places.push_back({count[static_cast<std::size_t>(label)]++, label, i});
  }
  for (std::size_t i = 0; i < walk.others.size(); ++i) {
    listing.skipped.push_back(part + "/" + std::string(walk.others.path(i)));
  }
  for (std::size_t i = 0; i < walk.folders.size(); ++i) {
    const std::string_view folder = walk.folders.path(i);
    const bool is_class = !folder.empty() && folder.find('/') == std::string_view::npos;
    if (is_class && !label_of.contains(folder)) {
      listing.skipped.push_back(part + "/" + std::string(folder));
    }
  }
  for (std::size_t label = 0; label < count.size(); ++label) {
    if (count[label] == 0) listing.missing.push_back(class_names[label]);
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.label < b.label;
  });
  for (const Place& place : places) {
    listing.files.add(walk.images.path(place.index), walk.images.size_bytes(place.index),
                      walk.images.date_ns(place.index));
    listing.labels.push_back(place.label);
  }
  return listing;
}

}  // namespace intandem
