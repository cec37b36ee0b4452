// Writes packed data sets from image folders.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace intandem {

struct PackOptions {
  /// > 0: images are decoded, turned upright, and shrunk until their shorter side is this; what is
  /// smaller stays as it is. 0: the bytes of the files, checked, are copied.
  std::int64_t shorter_side = 256;
  /// Takes images number shard, shard + shards, … of each part, for packs that together hold all.
  std::int64_t shard = 0, shards = 1;
  bool skip_bad = false;  ///< leave out what cannot be decoded, instead of an Error
  std::int64_t memory_bytes = std::int64_t{1} << 30;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  ///< may be empty
};

struct PackResult {
  std::int64_t images = 0, size_bytes = 0;
  std::vector<std::string> bad_files;  ///< with skip_bad: "PATH: why"
  std::vector<std::string> notes;
};

/// Packs directory/train and directory/val (or test/); one of the two may be missing. Records are
/// in the order of load_image_folder, train first, whatever the number of threads. The file appears
/// whole or not at all. Errors: those of load_image_folder; the disk is full.
PackResult write_pack(const std::string& directory, const std::string& path,
                      const PackOptions& options);

}  // namespace intandem
