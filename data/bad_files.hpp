// Which files of an image folder are no whole images.
#pragma once

#include <string>

#include "data/folder_cache.hpp"

namespace intandem {

/// Reads every file and checks it to its last byte, with all threads and a progress line. The
/// answer is kept in the user's cache.
BadFiles find_bad_files(const std::string& part, const FileList& files);

}  // namespace intandem
