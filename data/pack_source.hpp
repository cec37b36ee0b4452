// The images of packed data sets, read record by record.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/image_source.hpp"
#include "data/pack_index.hpp"
#include "data/photo_decoder.hpp"

namespace intandem {

/// A pack that is open for reading; threads may read at the same time.
class Pack {
 public:
  /// Errors of read_pack_index, and missing or unreadable.
  explicit Pack(const std::string& path);
  ~Pack();
  Pack(const Pack&) = delete;
  Pack& operator=(const Pack&) = delete;

  const PackIndex& index() const { return index_; }
  /// The bytes of record i; Error naming it if its checksum is wrong.
  std::string record(std::size_t i) const;

 private:
  int descriptor_ = -1;
  PackIndex index_;
};

/// Where an image lies.
struct PackPlace {
  std::uint32_t pack = 0, record = 0;
};

class PackSource : public ImageSource {
 public:
  PackSource(std::vector<std::shared_ptr<const Pack>> packs, std::vector<PackPlace> places,
             const StreamOptions& options, std::shared_ptr<PhotoDecoder> decoder);

  std::int64_t size() const override { return static_cast<std::int64_t>(places_.size()); }
  Shape image_shape() const override {
    return {options_.input.height, options_.input.width, options_.input.channels};
  }
  /// Errors: a record that is damaged, and those of PhotoDecoder where files were packed.
  void read(std::int64_t index, const Rng* crop, std::uint8_t* destination) const override;
  int threads() const override { return options_.threads; }
  std::int64_t read_ahead_bytes() const override { return options_.memory_bytes / 4; }

 private:
  std::vector<std::shared_ptr<const Pack>> packs_;
  std::vector<PackPlace> places_;
  StreamOptions options_;
  std::shared_ptr<PhotoDecoder> decoder_;
};

}  // namespace intandem
