#include "data/folder_source.hpp"

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "data/folder_cache.hpp"
#include "data/image_file.hpp"

namespace intandem {

FolderSource::FolderSource(std::string part, FileList files, const StreamOptions& options,
                           std::shared_ptr<PhotoDecoder> decoder)
    : part_(std::move(part)),
      files_(std::move(files)),
      options_(options),
      decoder_(std::move(decoder)) {}

std::string listed_contents(const std::string& part, const FileList& files, std::size_t index) {
  const std::string path = part + "/" + std::string(files.path(index));
  const FileStamp stamp = file_stamp(path);
  if (!(stamp == FileStamp{files.size_bytes(index), files.date_ns(index)})) {
    throw Error(path,
                stamp.date_ns < 0 ? "has gone since the folder was listed"
                                  : "has changed since the folder was listed",
                "leave the images alone while they are used; touch its folder and start again");
  }
  check_image_file_size(static_cast<std::uintmax_t>(stamp.size_bytes), path);
  return read_file(path, kImageRemedy);
}

void FolderSource::read(std::int64_t index, const Rng* crop, std::uint8_t* destination) const {
  const auto at = static_cast<std::size_t>(index);
  decoder_->decode(
      part_ + "/" + std::string(files_.path(at)),
      [&] { return listed_contents(part_, files_, at); }, options_.input.channels,
      [&](const Pixels& photo) {
        cut_photo(photo.data.get(), photo.H, photo.W, options_.input, crop, destination);
      });
}

std::string files_digest(const FileList& files, const std::vector<std::int32_t>& labels) {
  Checksum sum;
  for (std::size_t i = 0; i < files.size(); ++i) {
    sum.absorb(files.path(i).data(), static_cast<std::int64_t>(files.path(i).size()));
    const std::int64_t numbers[] = {files.size_bytes(i), labels[i]};
    sum.absorb(numbers, sizeof numbers);
  }
  return sum.digits();
}

}  // namespace intandem
