#include "data/folder_walk.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>

#include "core/error.hpp"
#include "data/folder_cache.hpp"
#include "data/folder_listing.hpp"
#include "data/image_file.hpp"

namespace intandem {
namespace {

namespace fs = std::filesystem;

/// Folders inside a class folder; links that lead in a circle end here.
constexpr int kMaxDepth = 8;

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

class Walk {
 public:
  explicit Walk(const std::string& top) : top_(top) {}

  FolderWalk run() {
    visit("", 0);
    return std::move(found_);
  }

 private:
  /// depth 0: the folder of the classes; 1: a class.
  void visit(const std::string& folder, int depth) {
    const std::string path = folder.empty() ? top_ : top_ + "/" + folder;
    if (depth > kMaxDepth + 1) {
      throw Error(path, "lies more than 8 folders deep in its class", kFolderRemedy);
    }
    // Before its entries are read: what changes meanwhile is noticed the next time.
    found_.folders.add(folder, 0, file_stamp(path).date_ns);
    const std::string prefix = folder.empty() ? "" : folder + "/";
    for (const FolderEntry& entry : entries_of(path)) {
      const std::string name = prefix + entry.name;
      if (entry.is_folder && entry.name != kArchiveLeftOver) {
        visit(name, depth + 1);
      } else if (!entry.is_folder && is_image_file(top_ + "/" + name)) {
        const FileStamp stamp = file_stamp(top_ + "/" + name);
        found_.images.add(name, stamp.size_bytes, stamp.date_ns);
      } else {
        found_.others.add(name, 0, 0);
      }
    }
  }

  const std::string& top_;
  FolderWalk found_;
};

}  // namespace

std::vector<FolderEntry> entries_of(const std::string& directory) {
  std::vector<FolderEntry> entries;
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
            [](const FolderEntry& a, const FolderEntry& b) { return a.name < b.name; });
  return entries;
}

FolderWalk walk_folder(const std::string& folder) {
  std::optional<FolderWalk> cached = load_walk(folder);
  if (cached) return std::move(*cached);
  const std::int64_t start_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                    std::chrono::system_clock::now().time_since_epoch())
                                    .count();
  FolderWalk walk = Walk(folder).run();
  store_walk(folder, walk, start_ns);
  return walk;
}

}  // namespace intandem
