#include "data/pack_writer.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/parallel.hpp"
#include "data/fingerprint.hpp"
#include "data/folder_source.hpp"
#include "data/image_file.hpp"
#include "data/pack_index.hpp"

namespace intandem {
namespace {

/// Images that are prepared together and then written in order.
constexpr std::int64_t kPerRound = 64;
constexpr std::int64_t kRound_bytes = std::int64_t{256} << 20;

struct Record {
  PackEntry entry;
  std::string bytes;
  std::string why_bad;
};

bool is_grey(const Pixels& image) {
  for (std::int64_t i = 0; i < image.size(); i += 3) {
    const std::uint8_t* p = image.data.get() + i;
    if (p[0] != p[1] || p[0] != p[2]) return false;
  }
  return true;
}

/// [H][W][3], shrunk, as a record of one or three channels.
void store_pixels(const Pixels& photo, std::int64_t shorter_side, Record& record) {
  const std::int64_t shorter = std::min(photo.H, photo.W);
  const bool shrinks = shorter > shorter_side;
  const std::int64_t H = shrinks ? shorter_side * photo.H / shorter : photo.H;
  const std::int64_t W = shrinks ? shorter_side * photo.W / shorter : photo.W;
  Pixels image(H, W, 3);
  resample(photo.data.get(), photo.W * 3, photo.H, photo.W, 3, ResampleTo::whole(H, W),
           image.data.get());
  record.entry.kind = is_grey(image) ? PackEntry::grey : PackEntry::colour;
  record.entry.height = static_cast<std::uint16_t>(H);
  record.entry.width = static_cast<std::uint16_t>(W);
  const std::int64_t step = record.entry.kind == PackEntry::grey ? 3 : 1;
  record.bytes.resize(static_cast<std::size_t>(image.size() / step));
  for (std::int64_t i = 0; i < image.size(); i += step) {
    record.bytes[static_cast<std::size_t>(i / step)] = static_cast<char>(image.data[i]);
  }
}

class PackWriter {
 public:
  PackWriter(const std::string& path, const PackOptions& options)
      : options_(options), file_(path), decoder_(options.memory_bytes) {
    index_.path = path;
    index_.shorter_side = options.shorter_side;
    write(kPackMagic);
  }

  PackResult& result() { return result_; }
  void set_classes(const std::vector<std::string>& names) { index_.class_names = names; }

  /// part: 0 train, 1 test. name: of the part's folder.
  void add_part(const std::string& folder, int part, const std::string& name,
                const FolderListing& listing) {
    const auto count = static_cast<std::int64_t>(listing.files.size());
    std::vector<std::size_t> mine;
    for (std::int64_t i = options_.shard; i < count; i += options_.shards) {
      mine.push_back(static_cast<std::size_t>(i));
    }
    for (std::size_t first = 0; first < mine.size();) {
      std::size_t end = first;
      for (std::int64_t bytes = 0;
           end < mine.size() && end - first < kPerRound && (end == first || bytes < kRound_bytes);
           ++end) {
        bytes += listing.files.size_bytes(mine[end]);
      }
      std::vector<Record> records(end - first);
      parallel_for(static_cast<std::int64_t>(records.size()), 1,
                   [&](std::int64_t begin, std::int64_t stop) {
                     for (std::int64_t i = begin; i < stop; ++i) {
                       const auto at = static_cast<std::size_t>(i);
                       make(folder, listing.files, mine[first + at], records[at]);
                     }
                   });
      for (std::size_t i = 0; i < records.size(); ++i) {
        const std::size_t at = mine[first + i];
        records[i].entry.label = listing.labels[at];
        records[i].entry.part = static_cast<std::uint8_t>(part);
        add(records[i], name + "/" + std::string(listing.files.path(at)));
      }
      first = end;
      if (options_.progress) {
        options_.progress(static_cast<std::int64_t>(first), static_cast<std::int64_t>(mine.size()));
      }
    }
  }

  void finish() {
    if (index_.entries.empty()) {
      throw Error(index_.path, "would hold no image", "pack a folder with images that are whole");
    }
    write(pack_index_bytes(index_, offset_));
    result_.images = static_cast<std::int64_t>(index_.entries.size());
    result_.size_bytes = static_cast<std::int64_t>(offset_);
    file_.commit();
  }

 private:
  void write(std::string_view bytes) {
    file_.write(bytes.data(), static_cast<std::int64_t>(bytes.size()));
    offset_ += bytes.size();
  }

  void make(const std::string& folder, const FileList& files, std::size_t at, Record& record) {
    const auto contents = [&] { return listed_contents(folder, files, at); };
    const std::string path = folder + "/" + std::string(files.path(at));
    try {
      if (options_.shorter_side > 0) {
        decoder_.decode(path, contents, 3, [&](const Pixels& photo) {
          store_pixels(photo, options_.shorter_side, record);
        });
      } else {
        record.bytes = contents();
        check_image(record.bytes, path);
      }
    } catch (const Error& error) {
      if (!options_.skip_bad) throw;
      const std::string text = error.what();
      record.why_bad = text.substr(0, text.rfind("; "));
    }
  }

  void add(Record& record, const std::string& name) {
    if (!record.why_bad.empty()) {
      result_.bad_files.push_back(std::move(record.why_bad));
      return;
    }
    PackEntry& entry = record.entry;
    entry.offset = offset_;
    entry.size_bytes = static_cast<std::uint32_t>(record.bytes.size());
    entry.checksum = pack_checksum(record.bytes.data(), entry.size_bytes);
    entry.name_bytes = static_cast<std::uint32_t>(name.size());
    index_.names += name;
    index_.name_ends.push_back(index_.names.size());
    index_.entries.push_back(entry);
    write(record.bytes);
  }

  const PackOptions& options_;
  AtomicWriter file_;
  PhotoDecoder decoder_;
  PackIndex index_;
  PackResult result_;
  std::uint64_t offset_ = 0;
};

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

}  // namespace

PackResult write_pack(const std::string& directory, const std::string& path,
                      const PackOptions& options) {
  INTANDEM_CHECK(options.shorter_side >= 0 && options.shorter_side <= kMaxImageSide &&
                     options.shard >= 0 && options.shard < options.shards,
                 "impossible options of a pack");
  const std::string train = directory + "/train";
  const std::string val_name = is_folder(directory + "/val") ? "val" : "test";
  const std::string val = directory + "/" + val_name;
  if (!is_folder(train) && !is_folder(val)) {
    throw Error(directory, "has neither train/ nor val/", kFolderRemedy);
  }
  const std::vector<std::string> classes = class_folders(is_folder(train) ? train : val);
  if (classes.empty()) throw Error(directory, "has no class folders", kFolderRemedy);
  check_class_names(classes, directory);
  PackWriter writer(path, options);
  writer.set_classes(classes);
  for (const auto& [folder, part, name] :
       {std::tuple{train, 0, std::string("train")}, std::tuple{val, 1, val_name}}) {
    if (!is_folder(folder)) continue;
    const FolderListing listing = list_folder(folder, classes);
    if (!listing.skipped.empty()) {
      writer.result().notes.push_back(folder + ": left out " +
                                      std::to_string(listing.skipped.size()) +
                                      " entries that are no image, " + listing.skipped.front() +
                                      (listing.skipped.size() > 1 ? ", ..." : ""));
    }
    writer.add_part(folder, part, name, listing);
  }
  writer.finish();
  return writer.result();
}

}  // namespace intandem
