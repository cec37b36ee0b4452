// Which files of an image folder belong to which class, found without opening the images.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace intandem {

inline constexpr const char* kFolderRemedy =
    "arrange the images as train|val/<class>/*.{jpg,jpeg,png,bmp,gif}";

/// One part of the folder: train/, val/ or test/.
struct FolderListing {
  struct File {
    std::size_t rank = 0;  ///< position within its class
    std::int32_t label = 0;
    std::string path;
  };
  std::vector<File> files;           ///< the first of every class, then the second, …
  std::vector<std::string> missing;  ///< classes without images
  std::vector<std::string> skipped;  ///< paths of what is no image
};

/// Class folders of a part in byte order: not hidden, not __MACOSX.
std::vector<std::string> class_folders(const std::string& part);

/// Files of all classes. Errors: a folder that is none of the classes but holds images, an image
/// beside the class folders, folders that cannot be read or lie too deep.
FolderListing list_folder(const std::string& part, const std::vector<std::string>& class_names);

}  // namespace intandem
