// What a directory holds, name by name.
#pragma once

#include <string>
#include <vector>

namespace intandem {

/// What macOS leaves in archives.
inline constexpr const char* kArchiveLeftOver = "__MACOSX";

struct FolderEntry {
  std::string name;
  bool is_folder = false;
};

/// In byte order, hidden ones left out. Error if the directory cannot be read.
std::vector<FolderEntry> entries_of(const std::string& directory);

}  // namespace intandem
