// A tree of image files, one folder per class, as ImageNet and many small sets come.
#pragma once

#include <string>

#include "data/dataset.hpp"

namespace intandem {

/// Reads directory/train/<class>/… and directory/val/<class>/… (or test/ when there is no val/).
///
/// Classes are the folders of train/ in byte order; val/ may lack some but not have others. With
/// options.test_only train/ may be missing: the classes are then options.class_names, or the
/// folders of val/ where those are not all among them.
///
/// A class holds the images of its folder and of folders in it: files named .jpg, .jpeg, .png, .bmp
/// or .gif in upper or lower case, and other files that start as such an image does. What is no
/// image (Thumbs.db, README, __MACOSX, …) is left out and counted in a note; hidden files are left
/// out silently. Order: the first file of every class, then the second, …, names in byte order, so
/// that options.limit keeps a balanced part. Each image is cropped and resized by fit_image to
/// options.height × options.width.
///
/// Notes: files left out, classes that val/ lacks, val/ taken where there is a test/ as well.
/// Errors name the file or folder: missing, no classes, a class of train/ without images, an
/// unknown class, images beside the class folders, a damaged image, more pixels than memory. All
/// but the damaged image come before the first is decoded.
TrainTest load_image_folder(const std::string& directory, const LoadOptions& options);

}  // namespace intandem
