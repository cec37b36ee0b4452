#include "data/image/bytes.hpp"

#include "core/error.hpp"

namespace intandem {

void ImageBytes::damaged(const std::string& reason) const {
  throw Error(source_, "damaged image (" + reason + ")", kImageRemedy);
}

void ImageBytes::truncated() const { damaged("truncated: its data ends early"); }

}  // namespace intandem
