// Which files of an image folder belong to which class, found without opening the images, and kept
// in a cache for the next time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace intandem {

inline constexpr const char* kFolderRemedy =
    "arrange the images as train|val/<class>/*.{jpg,jpeg,png,bmp,gif}";

/// Paths with sizes and dates, a few dozen bytes each: there may be millions.
class FileList {
 public:
  void add(std::string_view path, std::int64_t size_bytes, std::int64_t date_ns);
  std::size_t size() const { return ends_.size(); }
  std::string_view path(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(paths_).substr(begin, ends_[i] - begin);
  }
  std::int64_t size_bytes(std::size_t i) const { return sizes_[i]; }
  std::int64_t date_ns(std::size_t i) const { return dates_ns_[i]; }
  /// About what it takes.
  std::int64_t memory_bytes() const;

 private:
  std::string paths_;
  std::vector<std::size_t> ends_;
  std::vector<std::int64_t> sizes_, dates_ns_;
};

/// What lies in a folder and the folders in it, paths relative to it, names in byte order.
struct FolderWalk {
  FileList images;   ///< by name, or where the name says nothing by the first bytes
  FileList others;   ///< what is no image, size and date 0
  FileList folders;  ///< all that were looked into, "" first, with their dates
};

/// Walks through a folder, or takes what an earlier walk found from the user's cache
/// ($XDG_CACHE_HOME or ~/.cache, intandem/folders/) as long as every folder still has the date it
/// had: files that come, go or are renamed change the date of their folder. Files that are written
/// anew do not; who opens them compares size and date. Folders with fewer than 4096 images are
/// always walked through. Errors: folders that cannot be read or lie too deep.
FolderWalk walk_folder(const std::string& folder);

/// One part of the folder: train/, val/ or test/.
struct FolderListing {
  FileList files;                    ///< the first of every class, then the second, …
  std::vector<std::int32_t> labels;  ///< of the files
  std::vector<std::string> missing;  ///< classes without images
  std::vector<std::string> skipped;  ///< paths of what is no image
};

/// Class folders of a part in byte order: not hidden, not __MACOSX.
std::vector<std::string> class_folders(const std::string& part);

/// Files of all classes, paths relative to `part`. Errors: a folder that is none of the classes but
/// holds images, an image beside the class folders, those of walk_folder.
FolderListing list_folder(const std::string& part, const std::vector<std::string>& class_names);

}  // namespace intandem
