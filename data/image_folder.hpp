// A tree of PNG and JPEG files, one folder per class, as ImageNet and many small sets come.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace intandem {

/// Reads directory/train/<class>/* and directory/val/<class>/* (or test/ when there is no val/).
/// Classes are the folders of train/ in byte order; val/ may lack some but not have others.
/// Part of it: load_image_folder_part.
TrainTest load_image_folder(const std::string& directory, const LoadOptions& options);

/// One part: directory/<class>/*.{jpg,jpeg,png}, upper or lower case, hidden files skipped. Each
/// image is cropped and resized by fit_image to options.height × options.width. Order: the first
/// file of every class, then the second, …, names in byte order, so that options.limit keeps a
/// balanced part. class_names gives the classes; empty: the folders found.
/// Errors name the file or folder: missing, no classes, an empty class, an unknown class, a file of
/// another kind, a damaged image, more pixels than this machine has memory.
Dataset load_image_folder_part(const std::string& directory, std::vector<std::string> class_names,
                               const LoadOptions& options);

}  // namespace intandem
