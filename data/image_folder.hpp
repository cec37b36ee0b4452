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
/// that options.limit keeps a balanced part. What becomes of an image, options.input says.
///
/// All images are decoded here and kept if they fit into the memory that options allow
/// (data/stream.hpp); else they are read whenever they are needed (data/folder_source.hpp). The
/// listing of large folders is cached (data/folder_listing.hpp).
///
/// Notes: files left out, classes that val/ lacks, val/ taken where there is a test/ as well; with
/// options.skip_bad also the files that cannot be decoded, for which every file is read once.
/// Errors name the file or folder: missing, no classes, a class of train/ without images, an
/// unknown class, images beside the class folders, a damaged image. All but the damaged image come
/// before the first is decoded; those of images that are not kept come when they are needed.
TrainTest load_image_folder(const std::string& directory, const LoadOptions& options);

}  // namespace intandem
