#include "data/idx.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "core/memory.hpp"
#include "data/gzip_reader.hpp"

namespace intandem {
namespace {

constexpr std::uint8_t kUnsignedByte = 0x08;

std::string hex(int value) {
  constexpr char kDigits[] = "0123456789abcdef";
  return {'0', 'x', kDigits[(value >> 4) & 15], kDigits[value & 15]};
}

// The extents after the magic number, outermost first, checked against what the file can hold.
std::vector<std::int64_t> read_extents(GzipReader& file, int rank) {
  std::array<std::uint8_t, 4> magic{};
  file.read(magic.data(), 4, "the header");
  if (magic[0] != 0 || magic[1] != 0) {
    file.fail("not an IDX file: starts with " + hex(magic[0]) + " " + hex(magic[1]) +
              " instead of two zeros");
  }
  if (magic[2] != kUnsignedByte) {
    file.fail("IDX element type " + hex(magic[2]) + " instead of 0x08, unsigned bytes");
  }
  if (magic[3] != rank) {
    file.fail("IDX array of rank " + std::to_string(magic[3]) + " instead of " +
              std::to_string(rank));
  }
  std::vector<std::int64_t> extents;
  std::int64_t size_bytes = 1;
  for (int axis = 0; axis < rank; ++axis) {
    std::array<std::uint8_t, 4> b{};
    file.read(b.data(), 4, "the header");
    const std::int64_t extent = (std::int64_t{b[0]} << 24) | (b[1] << 16) | (b[2] << 8) | b[3];
    if (extent == 0) file.fail("extent " + std::to_string(axis) + " in the header is 0");
    extents.push_back(extent);
    // Both sides stay far below 2⁶³: the divisor is at least 1.
    if (size_bytes > file.max_content_bytes() / extent) {
      file.fail("truncated, or its header promises more data than a file of this size can hold");
    }
    size_bytes *= extent;
  }
  if (extents[0] > std::numeric_limits<std::int32_t>::max()) file.fail("too many items");
  return extents;
}

}  // namespace

IdxArray read_idx(const std::string& path, int rank, std::int64_t limit,
                  const std::string& remedy) {
  GzipReader file(path, remedy);
  const std::vector<std::int64_t> extents = read_extents(file, rank);
  Shape shape;
  for (const std::int64_t extent : extents) shape.push_back(extent);
  IdxArray array;
  array.count = extents[0];
  const std::int64_t kept = limit > 0 ? std::min(limit, array.count) : array.count;
  const std::int64_t item_bytes = shape.size() / array.count;
  if (kept > memory_limit_bytes() / item_bytes) {
    file.fail("needs " + std::to_string(kept * item_bytes) + " bytes of memory, more than the " +
              std::to_string(memory_limit_bytes()) + " that this process may use");
  }
  array.items = TensorU8(shape.with_outer(kept));
  file.read(array.items.data(), kept * item_bytes, "the data");
  file.skip((array.count - kept) * item_bytes, "the data");
  file.expect_end();
  return array;
}

std::int64_t read_idx_count(const std::string& path, int rank, const std::string& remedy) {
  GzipReader file(path, remedy);
  return read_extents(file, rank).front();
}

Dataset read_idx_dataset(const std::string& images_path, const std::string& labels_path,
                         std::int64_t classes, std::int64_t limit, const std::string& remedy) {
  const IdxArray images = read_idx(images_path, 3, limit, remedy);
  const IdxArray labels = read_idx(labels_path, 1, limit, remedy);
  if (images.count != labels.count) {
    throw Error(labels_path,
                "has " + std::to_string(labels.count) + " labels for the " +
                    std::to_string(images.count) + " images of " + images_path,
                remedy);
  }
  Dataset data;
  data.classes = classes;
  const Shape& shape = images.items.shape();
  data.images = images.items.reshaped({shape[0], shape[1], shape[2], 1});
  data.labels.assign(labels.items.begin(), labels.items.end());
  const auto bad = std::find_if(data.labels.begin(), data.labels.end(),
                                [&](std::int32_t label) { return label >= classes; });
  if (bad != data.labels.end()) {
    throw Error(labels_path,
                "label " + std::to_string(*bad) + " of image " +
                    std::to_string(bad - data.labels.begin()) + " is not below " +
                    std::to_string(classes) + ", the number of classes",
                remedy);
  }
  return data;
}

}  // namespace intandem
