// What tells one set of labelled images from another without keeping them.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace intandem {

/// Two data sets with the same names and fingerprint are the same images in the same order, up to
/// a checksum of 64 bits (core/checksum.hpp).
struct Fingerprint {
  /// "60000 images 28x28x1 in 10 classes, labels 0123456789abcdef": count, size, classes and the
  /// checksum of the labels in order; empty: unknown.
  std::string labels;
  /// Checksum of the pixels in order; empty if they are not all in memory. Another decoder of
  /// photos may round some of them otherwise, so only a run that goes on bit for bit insists on it.
  std::string pixels;
  /// Of images that are not all read: Dataset::files_digest. Empty: not known.
  std::string files;

  /// Both know their pixels, or else their files, and they agree.
  bool same_pixels(const Fingerprint& other) const;
};

Fingerprint fingerprint(const Dataset& data);

/// Error naming the class and `where` it was found unless every name is one line of UTF-8 without
/// control characters, not empty, and no name comes twice. Models keep the names and print them.
void check_class_names(const std::vector<std::string>& names, const std::string& where);

}  // namespace intandem
