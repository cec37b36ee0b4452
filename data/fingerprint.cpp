#include "data/fingerprint.hpp"

#include <set>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace intandem {

Fingerprint fingerprint(const Dataset& data) {
  Checksum labels;
  labels.absorb(data.labels.data(),
                static_cast<std::int64_t>(data.labels.size() * sizeof(data.labels[0])));
  const Shape image = data.image_shape();
  std::string size;
  for (int axis = 0; axis < image.rank(); ++axis) {
    size += (axis > 0 ? "x" : "") + std::to_string(image[axis]);
  }
  Fingerprint found;
  found.labels = std::to_string(data.size()) + " images " + size + " in " +
                 std::to_string(data.classes) + " classes, labels " + labels.digits();
  found.files = data.files_digest;
  if (!data.streamed()) {
    Checksum pixels;
    pixels.absorb(data.images.data(), data.images.size_bytes());
    found.pixels = pixels.digits();
  }
  return found;
}

bool Fingerprint::same_pixels(const Fingerprint& other) const {
  if (!pixels.empty() && !other.pixels.empty()) return pixels == other.pixels;
  return !files.empty() && files == other.files;
}

void check_class_names(const std::vector<std::string>& names, const std::string& where) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    std::string problem;
    if (name.empty()) problem = "is empty";
    if (!is_printable(name)) problem = "is not one line of UTF-8 without control characters";
    if (!seen.insert(name).second) problem = "comes twice";
    if (problem.empty()) continue;
    throw Error(where, "the class name '" + printable(name) + "' " + problem, "rename that class");
  }
}

}  // namespace intandem
