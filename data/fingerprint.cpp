#include "data/fingerprint.hpp"

#include <set>

#include "core/checksum.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace intandem {

Fingerprint fingerprint(const Dataset& data) {
  Checksum labels, pixels;
  labels.absorb(data.labels.data(),
                static_cast<std::int64_t>(data.labels.size() * sizeof(data.labels[0])));
  pixels.absorb(data.images.data(), data.images.size_bytes());
  const Shape& images = data.images.shape();
  std::string size;
  for (int axis = 1; axis < images.rank(); ++axis) {
    size += (axis > 1 ? "x" : "") + std::to_string(images[axis]);
  }
  return {std::to_string(data.size()) + " images " + size + " in " + std::to_string(data.classes) +
              " classes, labels " + labels.digits(),
          pixels.digits()};
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
