#include "data/pack_index.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "data/fingerprint.hpp"
#include "data/image/checks.hpp"

namespace intandem {
namespace {

static_assert(std::endian::native == std::endian::little, "packs are little-endian");

/// The last bytes of a file.
struct Footer {
  std::uint64_t index_offset = 0, index_bytes = 0, checksum = 0;
};

[[noreturn]] void damaged(const std::string& path, const std::string& problem) {
  throw Error(path, "is damaged: " + problem, kPackRemedy);
}

void put(std::string& bytes, const void* data, std::size_t size_bytes) {
  bytes.append(static_cast<const char*>(data), size_bytes);
}

void put_entry(std::string& bytes, const PackEntry& e) {
  const std::uint16_t none = 0;
  const std::uint32_t more = 0;
  put(bytes, &e.offset, 8);
  put(bytes, &e.checksum, 8);
  put(bytes, &e.size_bytes, 4);
  put(bytes, &e.height, 2);
  put(bytes, &e.width, 2);
  put(bytes, &e.label, 4);
  put(bytes, &e.part, 1);
  put(bytes, &e.kind, 1);
  put(bytes, &none, 2);
  put(bytes, &e.name_bytes, 4);
  put(bytes, &more, 4);
}

PackEntry get_entry(const char* bytes) {
  PackEntry e;
  std::memcpy(&e.offset, bytes, 8);
  std::memcpy(&e.checksum, bytes + 8, 8);
  std::memcpy(&e.size_bytes, bytes + 16, 4);
  std::memcpy(&e.height, bytes + 20, 2);
  std::memcpy(&e.width, bytes + 22, 2);
  std::memcpy(&e.label, bytes + 24, 4);
  std::memcpy(&e.part, bytes + 28, 1);
  std::memcpy(&e.kind, bytes + 29, 1);
  std::memcpy(&e.name_bytes, bytes + 32, 4);
  return e;
}

void check_entry(const PackEntry& e, std::uint64_t end, std::size_t classes,
                 const std::string& path) {
  if (e.offset < kPackMagic.size() || e.offset > end || e.size_bytes > end - e.offset) {
    damaged(path, "a record lies outside of the file");
  }
  if (e.label < 0 || static_cast<std::size_t>(e.label) >= classes) {
    damaged(path, "a record of no class");
  }
  if (e.part > 1 || e.kind > PackEntry::grey) damaged(path, "a record of an unknown kind");
  const std::int64_t pixels = std::int64_t{e.height} * e.width;
  const bool fits = e.kind == PackEntry::file
                        ? pixels == 0
                        : pixels > 0 && e.height <= kMaxImageSide && e.width <= kMaxImageSide &&
                              pixels * e.channels() == e.size_bytes;
  if (!fits) damaged(path, "a record of the wrong size");
}

/// The JSON text at the start of the index.
void read_description(const std::string& text, PackIndex& index, std::uint64_t* records) {
  const Json json = try_parse_json(text);
  const auto number = [&](const char* key) {
    if (!json.contains(key) || !json[key].is_number_unsigned()) {
      damaged(index.path, std::string("its index has no ") + key);
    }
    return json[key].get<std::uint64_t>();
  };
  if (!json.is_object()) damaged(index.path, "its index is no JSON");
  *records = number("records");
  index.shorter_side = static_cast<std::int64_t>(
      std::min<std::uint64_t>(number("shorter_side"), static_cast<std::uint64_t>(kMaxImageSide)));
  if (!json.contains("classes") || !json["classes"].is_array()) {
    damaged(index.path, "its index has no classes");
  }
  for (const Json& name : json["classes"]) {
    if (!name.is_string()) damaged(index.path, "a class name is no text");
    index.class_names.push_back(name.get<std::string>());
  }
  check_class_names(index.class_names, index.path);
}

}  // namespace

std::string PackIndex::name_of(std::size_t i) const {
  const std::size_t begin = i == 0 ? 0 : name_ends[i - 1];
  return path + ": " + names.substr(begin, name_ends[i] - begin);
}

std::uint64_t pack_checksum(const void* data, std::int64_t size_bytes) {
  Checksum sum;
  sum.absorb(data, size_bytes);
  return std::stoull(sum.digits(), nullptr, 16);
}

std::string pack_index_bytes(const PackIndex& index, std::uint64_t offset) {
  const std::string text = to_text(Json{{"classes", index.class_names},
                                        {"shorter_side", index.shorter_side},
                                        {"records", index.entries.size()}});
  const std::uint64_t text_bytes = text.size();
  std::string bytes;
  put(bytes, &text_bytes, sizeof text_bytes);
  bytes += text;
  for (const PackEntry& e : index.entries) put_entry(bytes, e);
  bytes += index.names;
  const Footer footer{offset, bytes.size(),
                      pack_checksum(bytes.data(), static_cast<std::int64_t>(bytes.size()))};
  put(bytes, &footer, sizeof footer);
  return bytes.append(kPackMagic);
}

void read_at(int descriptor, std::uint64_t offset, void* data, std::int64_t size_bytes,
             const std::string& path) {
  for (std::int64_t done = 0; done < size_bytes;) {
    const ssize_t got =
        ::pread(descriptor, static_cast<char*>(data) + done,
                static_cast<std::size_t>(size_bytes - done), static_cast<off_t>(offset) + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Error(path, std::string("cannot be read: ") + std::strerror(errno), "check the disk");
    if (got == 0) damaged(path, "it ends early");
    done += got;
  }
}

PackIndex read_pack_index(int descriptor, const std::string& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(path, "is no regular file", kPackRemedy);
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::string magic(kPackMagic.size(), '\0');
  if (size < kPackMagic.size() + kPackFooter_bytes) {
    throw Error(path, "is too short to be a packed data set", kPackRemedy);
  }
  read_at(descriptor, 0, magic.data(), static_cast<std::int64_t>(magic.size()), path);
  if (magic != kPackMagic) {
    const bool other_version = magic.starts_with(kPackMagic.substr(0, 14));
    throw Error(path, other_version ? "is a pack of another version" : "is no packed data set",
                other_version ? "update intandem" : kPackRemedy);
  }
  std::string end(kPackFooter_bytes, '\0');
  read_at(descriptor, size - kPackFooter_bytes, end.data(), kPackFooter_bytes, path);
  Footer footer;
  std::memcpy(&footer, end.data(), sizeof footer);
  if (end.substr(sizeof footer) != kPackMagic) damaged(path, "it is cut off at its end");
  const std::uint64_t index_end = size - kPackFooter_bytes;
  if (footer.index_bytes < 8 || footer.index_offset > index_end ||
      footer.index_bytes != index_end - footer.index_offset) {
    damaged(path, "its index lies outside of the file");
  }
  std::string bytes(footer.index_bytes, '\0');
  read_at(descriptor, footer.index_offset, bytes.data(), static_cast<std::int64_t>(bytes.size()),
          path);
  if (pack_checksum(bytes.data(), static_cast<std::int64_t>(bytes.size())) != footer.checksum) {
    damaged(path, "the checksum of its index is wrong");
  }
  PackIndex index;
  index.path = path;
  std::uint64_t text_bytes = 0, records = 0;
  std::memcpy(&text_bytes, bytes.data(), 8);
  if (text_bytes > bytes.size() - 8) damaged(path, "its index is cut off");
  read_description(bytes.substr(8, text_bytes), index, &records);
  std::size_t at = 8 + text_bytes;
  if (records > (bytes.size() - at) / kPackEntry_bytes) damaged(path, "its index is cut off");
  index.entries.reserve(records);
  std::size_t name_end = 0;
  for (std::uint64_t i = 0; i < records; ++i, at += kPackEntry_bytes) {
    const PackEntry e = get_entry(bytes.data() + at);
    check_entry(e, footer.index_offset, index.class_names.size(), path);
    index.entries.push_back(e);
    name_end += e.name_bytes;
    index.name_ends.push_back(name_end);
  }
  index.names = bytes.substr(at);
  if (index.names.size() != name_end) damaged(path, "its index has names of another length");
  return index;
}

}  // namespace intandem
