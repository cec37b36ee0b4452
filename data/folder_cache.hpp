// What is remembered of image folders between runs, in the user's cache directory. A cache that is
// missing, damaged, outdated or cannot be written is no error: the work is done again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/folder_listing.hpp"

namespace intandem {

struct FileStamp {
  std::int64_t size_bytes = -1, date_ns = -1;  ///< −1: there is no such file

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
FileStamp file_stamp(const std::string& path);

/// An earlier walk through `folder` if nothing has come or gone since.
std::optional<FolderWalk> load_walk(const std::string& folder);
/// start_ns: when the walk began. Not written for few images, and not if a folder has changed so
/// shortly before that another change might not change its date.
void store_walk(const std::string& folder, const FolderWalk& walk, std::int64_t start_ns);

/// "PATH: why" of the files among `files` (relative to `folder`) that cannot be decoded, and their
/// indices, if all were looked at before and have kept size and date.
struct BadFiles {
  std::vector<std::int64_t> indices;
  std::vector<std::string> reasons;
};
std::optional<BadFiles> load_bad_files(const std::string& folder, const FileList& files);
void store_bad_files(const std::string& folder, const FileList& files, const BadFiles& bad);

}  // namespace intandem
