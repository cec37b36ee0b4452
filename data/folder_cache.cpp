#include "data/folder_cache.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/checksum.hpp"
#include "core/container.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace intandem {
namespace {

constexpr std::size_t kCachedImages = 4096;
/// Coarser than the clocks of file systems.
constexpr std::int64_t kSettled_ns = 2'000'000'000;

/// Where the knowledge of a folder is kept; "" without a cache directory.
std::string cache_path(const std::string& folder, const char* what) {
  std::string directory;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    directory = cache;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    directory = std::string(home) + "/.cache";
  }
  if (directory.empty()) return "";
  std::error_code ignored;
  Checksum name;
  name.absorb(std::filesystem::weakly_canonical(folder, ignored).string());
  return directory + "/intandem/folders/" + name.digits() + "." + what;
}

TensorU8 text_tensor(const std::string& text) {
  TensorU8 bytes({static_cast<std::int64_t>(text.size())});
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

void put_list(Container& file, const std::string& name, const FileList& list) {
  const auto count = static_cast<std::int64_t>(list.size());
  std::string paths;
  Tensor<std::int64_t> numbers({count, 2});
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    paths.append(list.path(at)).push_back('\0');
    numbers[2 * i] = list.size_bytes(at);
    numbers[2 * i + 1] = list.date_ns(at);
  }
  file.put(name + "/paths", text_tensor(paths));
  file.put(name + "/numbers", numbers);
}

FileList get_list(const Container& file, const std::string& name) {
  const TensorU8 paths = file.tensor<std::uint8_t>(name + "/paths");
  const auto numbers = file.tensor<std::int64_t>(name + "/numbers");
  FileList list;
  const char* at = reinterpret_cast<const char*>(paths.data());
  const char* const end = at + paths.size();
  for (std::int64_t i = 0; 2 * i + 1 < numbers.size() && at < end; ++i) {
    const auto* zero =
        static_cast<const char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
    if (zero == nullptr) break;
    list.add({at, static_cast<std::size_t>(zero - at)}, numbers[2 * i], numbers[2 * i + 1]);
    at = zero + 1;
  }
  INTANDEM_CHECK(at == end && 2 * static_cast<std::int64_t>(list.size()) == numbers.size(),
                 "a file list of other numbers than names");
  return list;
}

/// f() with what a cache may throw turned into nothing.
template <class F>
auto forgiving(const F& f) -> decltype(f()) {
  try {
    return f();
  } catch (const Error&) {
    return {};
  }
}

void save(const Container& file, const std::string& path) {
  forgiving([&] {
    make_directory(std::filesystem::path(path).parent_path());
    file.save(path);
    return true;
  });
}

std::string stamps_digest(const FileList& files) {
  Checksum sum;
  for (std::size_t i = 0; i < files.size(); ++i) {
    sum.absorb(files.path(i).data(), static_cast<std::int64_t>(files.path(i).size()));
    const std::int64_t numbers[] = {files.size_bytes(i), files.date_ns(i)};
    sum.absorb(numbers, sizeof numbers);
  }
  return sum.digits();
}

}  // namespace

FileStamp file_stamp(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {
      static_cast<std::int64_t>(status.st_size),
      static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::optional<FolderWalk> load_walk(const std::string& folder) {
  const std::string path = cache_path(folder, "files");
  if (path.empty() || !file_exists(path)) return std::nullopt;
  return forgiving([&]() -> std::optional<FolderWalk> {
    const Container file = Container::load(path, "folder-files");
    FolderWalk walk;
    walk.folders = get_list(file, "folders");
    for (std::size_t i = 0; i < walk.folders.size(); ++i) {
      const std::string name(walk.folders.path(i));
      if (file_stamp(name.empty() ? folder : folder + "/" + name).date_ns !=
          walk.folders.date_ns(i)) {
        return std::nullopt;
      }
    }
    walk.images = get_list(file, "images");
    walk.others = get_list(file, "others");
    return walk;
  });
}

void store_walk(const std::string& folder, const FolderWalk& walk, std::int64_t start_ns) {
  const std::string path = cache_path(folder, "files");
  if (path.empty() || walk.images.size() < kCachedImages) return;
  for (std::size_t i = 0; i < walk.folders.size(); ++i) {
    if (walk.folders.date_ns(i) > start_ns - kSettled_ns) return;
  }
  Container file("folder-files");
  put_list(file, "folders", walk.folders);
  put_list(file, "images", walk.images);
  put_list(file, "others", walk.others);
  save(file, path);
}

std::optional<BadFiles> load_bad_files(const std::string& folder, const FileList& files) {
  const std::string path = cache_path(folder, "bad");
  if (path.empty() || !file_exists(path)) return std::nullopt;
  return forgiving([&]() -> std::optional<BadFiles> {
    const Container file = Container::load(path, "folder-bad-files");
    if (file.get("files") != stamps_digest(files)) return std::nullopt;
    // The indices stand where a list of files has sizes.
    const FileList list = get_list(file, "bad");
    BadFiles bad;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::int64_t index = list.size_bytes(i);
      if (index < 0 || index >= static_cast<std::int64_t>(files.size())) return std::nullopt;
      bad.indices.push_back(index);
      bad.reasons.emplace_back(list.path(i));
    }
    return bad;
  });
}

void store_bad_files(const std::string& folder, const FileList& files, const BadFiles& bad) {
  const std::string path = cache_path(folder, "bad");
  if (path.empty() || files.size() < kCachedImages) return;
  FileList list;
  for (std::size_t i = 0; i < bad.indices.size(); ++i) {
    list.add(bad.reasons[i], bad.indices[i], 0);
  }
  Container file("folder-bad-files");
  file.set("files", stamps_digest(files));
  put_list(file, "bad", list);
  save(file, path);
}

}  // namespace intandem
