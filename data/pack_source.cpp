#include "data/pack_source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.hpp"
#include "data/image/stb.hpp"

namespace intandem {
namespace {

/// pixels u8 [count][from] → [count][to]; from and to are 1 or 3 and differ.
std::string other_channels(const std::string& pixels, std::int64_t from) {
  const auto* in = reinterpret_cast<const std::uint8_t*>(pixels.data());
  const auto count = static_cast<std::int64_t>(pixels.size()) / from;
  std::string out;
  out.reserve(static_cast<std::size_t>(count * (4 - from)));
  for (std::int64_t i = 0; i < count; ++i) {
    if (from == 3) {
      out.push_back(static_cast<char>(stb_luma(in + 3 * i)));
    } else {
      out.append(3, pixels[static_cast<std::size_t>(i)]);
    }
  }
  return out;
}

}  // namespace

Pack::Pack(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    throw Error(path, std::string("cannot be opened: ") + std::strerror(errno),
                "give a file that 'intandem pack' has written, or a folder of such files");
  }
  try {
    index_ = read_pack_index(descriptor_, path);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

Pack::~Pack() { ::close(descriptor_); }

std::string Pack::record(std::size_t i) const {
  const PackEntry& entry = index_.entries[i];
  std::string bytes(entry.size_bytes, '\0');
  read_at(descriptor_, entry.offset, bytes.data(), static_cast<std::int64_t>(bytes.size()),
          index_.path);
  if (pack_checksum(bytes.data(), static_cast<std::int64_t>(bytes.size())) != entry.checksum) {
    throw Error(index_.name_of(i), "is damaged: its checksum is wrong", kPackRemedy);
  }
  return bytes;
}

PackSource::PackSource(std::vector<std::shared_ptr<const Pack>> packs,
                       std::vector<PackPlace> places, const StreamOptions& options,
                       std::shared_ptr<PhotoDecoder> decoder)
    : packs_(std::move(packs)),
      places_(std::move(places)),
      options_(options),
      decoder_(std::move(decoder)) {}

void PackSource::read(std::int64_t index, const Rng* crop, std::uint8_t* destination) const {
  const PackPlace place = places_[static_cast<std::size_t>(index)];
  const Pack& pack = *packs_[place.pack];
  const PackEntry& entry = pack.index().entries[place.record];
  const std::int64_t C = options_.input.channels;
  if (entry.kind == PackEntry::file) {
    decoder_->decode(
        pack.index().name_of(place.record), [&] { return pack.record(place.record); }, C,
        [&](const Pixels& photo) {
          cut_photo(photo.data.get(), photo.H, photo.W, options_.input, crop, destination);
        });
    return;
  }
  std::string pixels = pack.record(place.record);
  if (entry.channels() != C) pixels = other_channels(pixels, entry.channels());
  cut_photo(reinterpret_cast<const std::uint8_t*>(pixels.data()), entry.height, entry.width,
            options_.input, crop, destination);
}

}  // namespace intandem
