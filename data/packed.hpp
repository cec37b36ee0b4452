// Data sets that `intandem pack` has written: one file, or a folder of such files.
#pragma once

#include <string>

#include "data/dataset.hpp"

namespace intandem {

/// `path` is a pack or a folder of *.pack files, taken in byte order of their names. The classes
/// are those of all packs together, in byte order; images keep the order of the packs. What becomes
/// of an image, and whether it is kept in memory, as in load_image_folder; a pack of images as
/// large as the folder's gives the same pixels. Errors name the file: missing, not a pack, damaged,
/// no training images (unless options.test_only), no test images. Records are checked when they are
/// read; options.skip_bad has no effect, for `intandem pack` has seen them all.
TrainTest load_packed(const std::string& path, const LoadOptions& options);

}  // namespace intandem
