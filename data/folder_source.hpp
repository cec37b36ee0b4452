// The images of a folder, opened and decoded whenever one is asked for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/folder_listing.hpp"
#include "data/image_source.hpp"
#include "data/photo_decoder.hpp"

namespace intandem {

class FolderSource : public ImageSource {
 public:
  /// Reads files of `part`. One decoder, and thus one budget, serves all parts of a data set.
  FolderSource(std::string part, FileList files, const StreamOptions& options,
               std::shared_ptr<PhotoDecoder> decoder);

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  Shape image_shape() const override {
    return {options_.input.height, options_.input.width, options_.input.channels};
  }
  /// Errors: those of read_image; the file is another than was listed, by size and date; decoding
  /// would take more than the budget.
  void read(std::int64_t index, const Rng* crop, std::uint8_t* destination) const override;
  int threads() const override { return options_.threads; }
  std::int64_t read_ahead_bytes() const override { return options_.memory_bytes / 4; }

 private:
  std::string part_;
  FileList files_;
  StreamOptions options_;
  std::shared_ptr<PhotoDecoder> decoder_;
};

/// The bytes of file `index` of a listed folder; Error if it is another than was listed.
std::string listed_contents(const std::string& part, const FileList& files, std::size_t index);

/// Checksum of the names and sizes of the files, in order, and of their labels.
std::string files_digest(const FileList& files, const std::vector<std::int32_t>& labels);

}  // namespace intandem
