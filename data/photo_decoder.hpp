// From the bytes of a photo to its pixels, within a budget of memory that all threads share.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "data/decode_budget.hpp"
#include "data/image/pixels.hpp"
#include "data/photo.hpp"

namespace intandem {

/// How photos are streamed.
struct StreamOptions {
  InputFormat input;
  std::int64_t memory_bytes = std::int64_t{1} << 30;  ///< for all that is not the network's
  int threads = 1;
};

class PhotoDecoder {
 public:
  /// Half of the memory is for decoding, a quarter for batches that are ready; never less than what
  /// one image of a million pixels takes.
  explicit PhotoDecoder(std::int64_t memory_bytes);

  /// Calls f with the upright picture in what contents() gives, [H][W][channels], while its memory
  /// is granted; contents() may be called twice. `source` names it in errors: those of
  /// decode_image, and that decoding would take more than the budget.
  void decode(const std::string& source, const std::function<std::string()>& contents,
              std::int64_t channels, const std::function<void(const Pixels&)>& f);

 private:
  DecodeBudget budget_;
};

}  // namespace intandem
